// Forward and backward passes of stacked networks, member by member. Included once for each instruction set.
#include "network.h"
#include "products.h"

namespace {

constexpr int64_t BLOCK = 128;  // rows whose gradients are summed up in one go; their activations stay in the cache
constexpr int64_t STRIP = 4 * TILE;  // rows that go down through all layers together
constexpr int64_t FEW = 4;  // outputs that are computed as sums along the rows

inline int64_t aligned(int64_t count) { return (count + 15) / 16 * 16; }

// Rows of a pass that are kept together: matrices `[panels][rows][PANEL]`. Between panels there is room for one more row:
// at a distance of some kilobytes exactly, all panels of a row would want the same few places of the nearest cache.
struct Block {
    int64_t index, first, rows;
    int64_t stride() const { return (rows + 1) * PANEL; }  // between panels
};

inline int64_t block_count(int64_t rows) { return groups(rows, BLOCK); }

inline Block block_of(int64_t index, int64_t rows) {
    const int64_t first = begin(index, rows, block_count(rows));
    return {index, first, begin(index + 1, rows, block_count(rows)) - first};
}

inline int64_t matrix_size(int64_t rows, int64_t width) { return (rows + block_count(rows)) * padded(width); }

// Where a pass keeps what its gradient needs. Per member: the packed inputs; then per copy and hidden layer the
// layer's outputs or, with LayerNorm, the normalised values, which these can be made of again, and the rows' reciprocal
// deviations; and GELU's arguments.
struct Kept {
    const Network& net;
    int64_t rows;
    int64_t inputs() const { return matrix_size(rows, net.widths[0]); }
    int64_t arguments(int64_t i) const {  // where they are in a layer
        return matrix_size(rows, net.widths[i + 1]) + (net.layer_norm ? aligned(rows) : 0);
    }
    int64_t layer(int64_t i) const {
        return arguments(i) + (net.activation == GAUSSIAN ? matrix_size(rows, net.widths[i + 1]) : 0);
    }
    int64_t before(int64_t i) const {
        int64_t size = 0;
        for (int64_t j = 0; j < i; ++j) size += layer(j);
        return size;
    }
    int64_t copy() const { return before(net.layers - 1); }
    int64_t member() const { return aligned(inputs() + net.copies * copy()); }
};

// Joins the inputs of some rows: `[panels][rows][PANEL]`.
void join(const Input* inputs, int64_t count, int64_t member, int64_t first, int64_t rows, int64_t width, float* out,
          int64_t out_stride) {
    int64_t column = 0;
    for (int64_t n = 0; n < count; ++n) {
        const Input& input = inputs[n];
        for (int64_t r = 0; r < rows; ++r) {
            const float* row = input.data + member * input.member_stride + (first + r) * input.row_stride;
            int64_t i = 0, c = column;
            while (i < input.width) {
                float* to = out + c / PANEL * out_stride + r * PANEL + c % PANEL;
                int64_t size = smaller(input.width - i, PANEL - c % PANEL);
                c += size;
                for (; size >= 8; size -= 8, i += 8, to += 8) _mm256_storeu_ps(to, _mm256_loadu_ps(row + i));
                for (; size > 0; --size, ++i) *to++ = row[i];
            }
        }
        column += input.width;
    }
    for (int64_t c = width; c < padded(width); ++c)
        for (int64_t r = 0; r < rows; ++r) out[c / PANEL * out_stride + r * PANEL + c % PANEL] = 0.0f;
}

// Calls `f(column, part)` for every vector of a row; `part` is its place among the row's 16 lanes of sums.
template <typename F>
inline void each_vector(int64_t width, F f) {
    for (int64_t c = 0; c < padded(width); c += PANEL) {
        f(c, 0, 0);
        f(c, LANES, LANES < 16 ? 1 : 0);
    }
}

struct Rows {
    float* data;
    int64_t stride;  // between panels, divided by PANEL
    float* at(int64_t row, int64_t panel_start, int64_t offset) const {
        return data + row * PANEL + panel_start * stride + offset;
    }
};

template <int N>
struct Count {
    static constexpr int value = N;
};

// Calls `f(Count, first)` for groups of rows, whose chains of sums the processor then works on side by side.
template <typename F>
inline void in_groups(int64_t rows, F f) {
    int64_t r = 0;
    for (; r + 3 <= rows; r += 3) f(Count<3>(), r);
    for (; r < rows; ++r) f(Count<1>(), r);
}

// The end of LayerNorm: scale, shift and, if it comes after, the activation.
inline Vector scaled_and_activated(Vector x, const float* scale, const float* shift, int64_t activation) {
    const Vector y = fma(x, load(scale), load(shift));
    return activation == TANGENT ? hyperbolic_tangent(y) : activation == RECTIFIER ? max(all(0.0f), y) : y;
}

// LayerNorm of some rows of `values` in place, and the activation if it comes after; `normalised` gets the values before
// scale and shift.
void normalise(int64_t rows, int64_t width, const float* scale, const float* shift, float epsilon, int64_t activation,
               float* values, int64_t stride, float* normalised, int64_t normalised_stride, float* deviations) {
    const bool full = width % PANEL == 0;
    float inside[2 * PANEL];  // 1 for the columns of the last panel that exist
    for (int64_t i = 0; i < PANEL; ++i) inside[i] = full || i < width % PANEL ? 1.0f : 0.0f;
    const int64_t last = padded(width) - PANEL;
    in_groups(rows, [&](auto count, int64_t first) {
        constexpr int R = decltype(count)::value;
        const Rows row = {values + first * PANEL, stride / PANEL};
        const Rows normal = {normalised + first * PANEL, normalised_stride / PANEL};
        Vector sum[R][16 / LANES], squares[R][16 / LANES], mean[R], deviation[R];
        for (int r = 0; r < R; ++r)
            for (int v = 0; v < 16 / LANES; ++v) sum[r][v] = squares[r][v] = all(0.0f);
        each_vector(width, [&](int64_t c, int64_t v, int part) {
            for (int r = 0; r < R; ++r) sum[r][part] = add(sum[r][part], load(row.at(r, c, v)));
        });
        for (int r = 0; r < R; ++r) mean[r] = all(total(sum[r]) / float(width));
        each_vector(width, [&](int64_t c, int64_t v, int part) {
            for (int r = 0; r < R; ++r) {
                Vector x = sub(load(row.at(r, c, v)), mean[r]);
                if (c == last && !full) x = mul(x, load(inside + v));
                squares[r][part] = fma(x, x, squares[r][part]);
                store(row.at(r, c, v), x);
            }
        });
        for (int r = 0; r < R; ++r) {
            const float reciprocal = 1.0f / __builtin_sqrtf(total(squares[r]) / float(width) + epsilon);
            if (deviations) deviations[first + r] = reciprocal;
            deviation[r] = all(reciprocal);
        }
        each_vector(width, [&](int64_t c, int64_t v, int) {
            for (int r = 0; r < R; ++r) {
                const Vector x = mul(load(row.at(r, c, v)), deviation[r]);
                if (deviations) store(normal.at(r, c, v), x);
                store(row.at(r, c, v), scaled_and_activated(x, scale + c + v, shift + c + v, activation));
            }
        });
    });
}

// What `normalise` makes of its normalised values.
void scale_again(int64_t rows, int64_t width, const float* scale, const float* shift, int64_t activation,
                 const float* normalised, int64_t normalised_stride, float* out, int64_t stride) {
    for (int64_t p = 0; p < panels(width); ++p)
        for (int64_t r = 0; r < rows; ++r)
            for (int64_t v = 0; v < PANEL; v += LANES) {
                const int64_t column = p * PANEL + v, at = r * PANEL + v;
                store(out + p * stride + at, scaled_and_activated(load(normalised + p * normalised_stride + at),
                                                                  scale + column, shift + column, activation));
            }
}

// The gradient of `normalise` before its activation, in place; adds those of scale and shift to `to_scale`, `to_shift`.
void normalise_gradient(int64_t rows, int64_t width, const float* scale, float* gradient, int64_t stride,
                        float* normalised, int64_t normalised_stride, const float* deviations, float* to_scale,
                        float* to_shift) {
    in_groups(rows, [&](auto count, int64_t first) {
        constexpr int R = decltype(count)::value;
        const Rows row = {gradient + first * PANEL, stride / PANEL};
        const Rows normal = {normalised + first * PANEL, normalised_stride / PANEL};
        Vector sum[R][16 / LANES], products[R][16 / LANES], mean[R], slope[R], deviation[R];
        for (int r = 0; r < R; ++r)
            for (int v = 0; v < 16 / LANES; ++v) sum[r][v] = products[r][v] = all(0.0f);
        each_vector(width, [&](int64_t c, int64_t v, int part) {
            Vector shifts = load(to_shift + c + v), scales = load(to_scale + c + v);
            for (int r = 0; r < R; ++r) {
                const Vector x = load(normal.at(r, c, v)), d = load(row.at(r, c, v)), scaled = mul(d, load(scale + c + v));
                shifts = add(shifts, d);
                scales = fma(d, x, scales);
                sum[r][part] = add(sum[r][part], scaled);
                products[r][part] = fma(scaled, x, products[r][part]);
                store(row.at(r, c, v), scaled);
            }
            store(to_shift + c + v, shifts);
            store(to_scale + c + v, scales);
        });
        for (int r = 0; r < R; ++r) {
            mean[r] = all(total(sum[r]) / float(width));
            slope[r] = all(-(total(products[r]) / float(width)));
            deviation[r] = all(deviations[first + r]);
        }
        each_vector(width, [&](int64_t c, int64_t v, int) {
            for (int r = 0; r < R; ++r) {
                const Vector x = load(normal.at(r, c, v));
                store(row.at(r, c, v), mul(fma(slope[r], x, sub(load(row.at(r, c, v)), mean[r])), deviation[r]));
            }
        });
    });
}

// GELU of some rows.
void gelu(int64_t rows, int64_t width, const float* arguments, int64_t stride, float* out, int64_t out_stride) {
    for (int64_t p = 0; p < panels(width); ++p)
        for (int64_t i = 0; i < rows * PANEL; i += LANES)
            store(out + p * out_stride + i, gelu(load(arguments + p * stride + i)));
}

// Multiplies the gradient of some rows by GELU's.
void gelu_gradient(int64_t rows, int64_t width, const float* arguments, int64_t arguments_stride, float* gradient,
                   int64_t stride) {
    for (int64_t p = 0; p < panels(width); ++p)
        for (int64_t i = 0; i < rows * PANEL; i += LANES) {
            float* const at = gradient + p * stride + i;
            store(at, mul(load(at), gelu_gradient(load(arguments + p * arguments_stride + i))));
        }
}

// The last layer's outputs, `[rows][outputs]`, where these are few: sums along the rows.
void few_outputs(int64_t rows, const float* left, int64_t stride, int64_t depth, const float* weights, int64_t outputs,
                 const float* bias, float* out) {
    operations += 2 * rows * depth * outputs;
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t o = 0; o < outputs; ++o) {
            Vector sum[16 / LANES];
            for (int v = 0; v < 16 / LANES; ++v) sum[v] = all(0.0f);
            const float* column = weights + o * padded(depth);
            for (int64_t c = 0; c < padded(depth); c += 16)
                for (int v = 0; v < 16 / LANES; ++v) {
                    const int64_t at = c + v * LANES;
                    const Vector x = load(left + at / PANEL * stride + r * PANEL + at % PANEL);
                    sum[v] = fma(x, load(column + at), sum[v]);
                }
            out[r * outputs + o] = total(sum) + bias[o];
        }
}

// A network's parameters as a forward pass wants them.
struct Packed {
    float *weights[MOST_LAYERS], *biases[MOST_LAYERS], *scales[MOST_LAYERS], *shifts[MOST_LAYERS];
};

inline void pad(const float* in, int64_t count, float* out) {
    memcpy(out, in, size_t(count) * sizeof(float));
    for (int64_t i = count; i < padded(count); ++i) out[i] = 0.0f;
}

inline bool has_few_outputs(const Network& net) { return net.widths[net.layers] <= FEW; }

int64_t packed_size(const Network& net) {
    int64_t size = 0;
    for (int64_t i = 0; i < net.layers; ++i)
        size += (padded(net.widths[i]) + 3) * padded(net.widths[i + 1]) + FEW * padded(net.widths[i]);
    return size;
}

float* pack_forward(const Network& net, const float* parameters, Packed& packed, float* memory) {
    const int64_t last = net.layers - 1;
    for (int64_t i = 0; i <= last; ++i) {
        const int64_t depth = net.widths[i], columns = net.widths[i + 1];
        packed.weights[i] = memory;
        if (i == last && has_few_outputs(net)) {
            memset(memory, 0, size_t(columns * padded(depth)) * sizeof(float));
            for (int64_t o = 0; o < columns; ++o)
                for (int64_t k = 0; k < depth; ++k)
                    memory[o * padded(depth) + k] = parameters[net.weights[i] + k * columns + o];
            memory += columns * padded(depth);
        } else {
            pack(parameters + net.weights[i], depth, columns, memory);
            memory += depth * padded(columns);
        }
        pad(parameters + net.biases[i], columns, packed.biases[i] = memory);
        memory += padded(columns);
        if (net.layer_norm && i < last) {
            pad(parameters + net.scales[i], columns, packed.scales[i] = memory);
            pad(parameters + net.shifts[i], columns, packed.shifts[i] = memory + padded(columns));
            memory += 2 * padded(columns);
        }
    }
    return memory;
}

struct Place {
    float* data;
    int64_t stride;  // between panels
};

// The rows of a kept matrix from the block's row `first` on.
inline Place kept_rows(float* matrix, int64_t width, const Block& block, int64_t first) {
    return {matrix + (block.first + block.index) * padded(width) + first * PANEL, block.stride()};
}

int64_t widest(const Network& net) {
    int64_t width = 0;
    for (int64_t i = 0; i <= net.layers; ++i) width = net.widths[i] > width ? net.widths[i] : width;
    return padded(width);
}

}  // namespace

extern "C" int64_t ENTRY(kept_size)(const Network* net, int64_t rows) {
    return net->members * Kept{*net, rows}.member();
}

// Outputs `[copies][members][rows][outputs]`; `kept` is null where no gradient is wanted.
extern "C" void ENTRY(forward)(const Network* network, const float* flat, const Input* inputs, int64_t input_count,
                               int64_t rows, float* out, float* kept) {
    const Network& net = *network;
    const int64_t last = net.layers - 1, outputs = net.widths[net.layers], wide = TILE * widest(net);
    const Kept layout{net, rows};
    static thread_local Arena arena;
    float* const memory = arena.floats(size_t(net.copies * packed_size(net) + 4 * wide + matrix_size(rows, net.widths[0])));
    float* const scratch[4] = {memory, memory + wide, memory + 2 * wide, memory + 3 * wide};
    float* const joined = memory + 4 * wide;
    for (int64_t member = 0; member < net.members; ++member) {
        float* const x = kept ? kept + member * layout.member() : joined;
        for (int64_t copy = 0; copy < net.copies; ++copy) {
            Packed packed;
            const int64_t place = copy * net.members + member;
            pack_forward(net, flat + place * net.member_size, packed, joined + matrix_size(rows, net.widths[0]));
            float* const mine = kept ? x + layout.inputs() + copy * layout.copy() : nullptr;
            for (int64_t b = 0; b < block_count(rows); ++b) {
                const Block block = block_of(b, rows);
                if (copy == 0) {
                    const Place all_rows = kept_rows(x, net.widths[0], block, 0);
                    join(inputs, input_count, member, block.first, block.rows, net.widths[0], all_rows.data, all_rows.stride);
                }
                const int64_t tiles = groups(block.rows, TILE);
                for (int64_t t = 0; t < tiles; ++t) {
                    const int64_t first = begin(t, block.rows, tiles), count = begin(t + 1, block.rows, tiles) - first;
                    Place left = kept_rows(x, net.widths[0], block, first);
                    for (int64_t i = 0; i < last; ++i) {
                        const int64_t width = net.widths[i + 1];
                        Place next = {scratch[i % 2], TILE * PANEL}, normal = {scratch[2], TILE * PANEL};
                        Place arguments = next;
                        float* deviations = nullptr;
                        if (mine) {
                            float* const here = mine + layout.before(i);
                            (net.layer_norm ? normal : next) = kept_rows(here, width, block, first);
                            arguments = next;
                            deviations = here + matrix_size(rows, width) + block.first + first;
                            if (net.activation == GAUSSIAN)
                                arguments = kept_rows(here + layout.arguments(i), width, block, first);
                        }
                        const Epilogue activation = net.activation == TANGENT ? TANH : RELU;
                        product(count, left.data, left.stride, net.widths[i], packed.weights[i], width, packed.biases[i],
                                nullptr, 0, arguments.data, arguments.stride,
                                net.layer_norm || net.activation == GAUSSIAN ? PLAIN : activation);
                        if (net.activation == GAUSSIAN)
                            gelu(count, width, arguments.data, arguments.stride, next.data, next.stride);
                        if (net.layer_norm)
                            normalise(count, width, packed.scales[i], packed.shifts[i], float(net.epsilon), net.activation,
                                      next.data, next.stride, normal.data, normal.stride, deviations);
                        left = next;
                    }
                    float* const to = out + (place * rows + block.first + first) * outputs;
                    if (has_few_outputs(net)) {
                        few_outputs(count, left.data, left.stride, net.widths[last], packed.weights[last], outputs,
                                    packed.biases[last], to);
                        continue;
                    }
                    float* const result = scratch[3];
                    product(count, left.data, left.stride, net.widths[last], packed.weights[last], outputs,
                            packed.biases[last], nullptr, 0, result, TILE * PANEL, PLAIN);
                    for (int64_t r = 0; r < count; ++r)
                        for (int64_t p = 0; p * PANEL < outputs; ++p)
                            memcpy(to + r * outputs + p * PANEL, result + (p * TILE + r) * PANEL,
                                   size_t(smaller(PANEL, outputs - p * PANEL)) * sizeof(float));
                }
            }
        }
    }
}

// Operations of the products that this thread has made, 2 per multiply-add.
extern "C" int64_t ENTRY(operations)() { return operations; }

#include "gradients.h"
