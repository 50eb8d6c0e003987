// The backward pass: a block of rows goes down through all layers, then its share of all weights' gradients is added.

namespace {

constexpr int64_t NARROW = 12;  // columns up to which a transposed product is faster

// Adds `[rows][PANEL]` to `rows` rows of a gradient whose rows are `row_stride` apart, or writes them the first time.
inline void accumulate(const float* from, int64_t rows, int64_t columns, float* to, int64_t row_stride, bool first) {
    for (int64_t r = 0; r < rows; ++r, from += PANEL, to += row_stride) {
        if (columns == PANEL) {
            const Vector a = load(from), b = load(from + LANES);
            store(to, first ? a : add(load(to), a));
            store(to + LANES, first ? b : add(load(to + LANES), b));
        } else {
            for (int64_t i = 0; i < columns; ++i) to[i] = first ? from[i] : to[i] + from[i];
        }
    }
}

// The gradient of weights `[depth][columns]` over one block of rows.
void weight_gradient(int64_t rows, Place left, int64_t depth, Place right, int64_t columns, float* weights, bool first) {
    float result[TILE * PANEL];
    operations += 2 * rows * depth * columns;
    for (int64_t q = 0; q < panels(columns); ++q) {
        const int64_t width = smaller(PANEL, columns - q * PANEL);
        for (int64_t p = 0; p < panels(depth); ++p) {
            const int64_t size = smaller(PANEL, depth - p * PANEL), count = groups(size, TILE);
            for (int64_t g = 0; g < count; ++g) {
                const int64_t k = begin(g, size, count), taken = begin(g + 1, size, count) - k;
                kernels.outers[taken][width > LANES](
                    {left.data + p * left.stride + k, right.data + q * right.stride, rows, result});
                accumulate(result, taken, width, weights + (p * PANEL + k) * columns + q * PANEL, columns, first);
            }
        }
    }
}

// The same where columns are few: the transposed product has more of them.
void narrow_weight_gradient(int64_t rows, Place left, int64_t depth, Place right, int64_t columns, float* weights,
                            bool first) {
    float result[TILE * PANEL];
    operations += 2 * rows * depth * columns;
    for (int64_t p = 0; p < panels(depth); ++p) {
        const int64_t size = smaller(PANEL, depth - p * PANEL), count = groups(columns, TILE);
        for (int64_t g = 0; g < count; ++g) {
            const int64_t o = begin(g, columns, count), taken = begin(g + 1, columns, count) - o;
            kernels.outers[taken][size > LANES]({right.data + o, left.data + p * left.stride, rows, result});
            for (int64_t i = 0; i < size; ++i)
                for (int64_t j = 0; j < taken; ++j) {
                    float& to = weights[(p * PANEL + i) * columns + o + j];
                    to = first ? result[j * PANEL + i] : to + result[j * PANEL + i];
                }
        }
    }
}

void bias_gradient(int64_t rows, Place right, int64_t columns, float* bias, bool first) {
    float sums[PANEL];
    for (int64_t q = 0; q < panels(columns); ++q) {
        sum_columns(right.data + q * right.stride, rows, sums);
        accumulate(sums, 1, smaller(PANEL, columns - q * PANEL), bias + q * PANEL, 0, first);
    }
}

}  // namespace

// Gradients of the parameters (null where nobody wants them) and of the inputs, from those of the outputs.
extern "C" void ENTRY(backward)(const Network* network, const float* flat, int64_t rows, const float* gradient,
                                const float* kept, float* flat_gradient, const Input* inputs, int64_t input_count) {
    const Network& net = *network;
    const int64_t last = net.layers - 1, outputs = net.widths[net.layers];
    const Kept layout{net, rows};
    bool to_inputs = false;
    for (int64_t n = 0; n < input_count; ++n) to_inputs |= inputs[n].data != nullptr;

    const int64_t most_rows = groups(rows, block_count(rows)) + 1;
    int64_t size = 4 * (last + 1) * padded(widest(net)) + STRIP * widest(net);
    for (int64_t i = 0; i <= last; ++i)
        size += padded(net.widths[i + 1]) * (padded(net.widths[i]) + PANEL * input_count + 2 * most_rows);
    static thread_local Arena arena;
    float* const memory = arena.floats(size_t(size));

    for (int64_t member = 0; member < net.members; ++member) {
        float* const x = const_cast<float*>(kept) + member * layout.member();
        for (int64_t copy = 0; copy < net.copies; ++copy) {
            const int64_t place = copy * net.members + member;
            const float* const parameters = flat + place * net.member_size;
            float* const mine = x + layout.inputs() + copy * layout.copy();
            float* const slot = flat_gradient ? flat_gradient + place * net.member_size : nullptr;

            float* free_memory = memory;
            auto take = [&](int64_t count) {
                float* start = free_memory;
                free_memory += aligned(count);
                return start;
            };
            float* transposed[MOST_LAYERS];
            float *scales[MOST_LAYERS], *shifts[MOST_LAYERS], *to_scales[MOST_LAYERS], *to_shifts[MOST_LAYERS];
            Place d[MOST_LAYERS], again[MOST_LAYERS];  // gradients, and outputs that are made again, of a block
            for (int64_t i = 1; i <= last; ++i) {
                transposed[i] = take(net.widths[i + 1] * padded(net.widths[i]));
                pack_transposed(parameters + net.weights[i], net.widths[i + 1], net.widths[i], transposed[i]);
            }
            float* const to_x = take(to_inputs ? net.widths[1] * (padded(net.widths[0]) + PANEL * input_count) : 0);
            for (int64_t n = 0, column = 0, used = 0; n < input_count; column += inputs[n++].width)
                if (inputs[n].data) {
                    pack_transposed(parameters + net.weights[0] + column * net.widths[1], net.widths[1], inputs[n].width,
                                    to_x + used);
                    used += net.widths[1] * padded(inputs[n].width);
                }
            for (int64_t i = 0; net.layer_norm && i < last; ++i) {
                const int64_t width = padded(net.widths[i + 1]);
                pad(parameters + net.scales[i], net.widths[i + 1], scales[i] = take(width));
                pad(parameters + net.shifts[i], net.widths[i + 1], shifts[i] = take(width));
                again[i].data = take(most_rows * width);
                memset(to_scales[i] = take(2 * width), 0, size_t(2 * width) * sizeof(float));
                to_shifts[i] = to_scales[i] + width;
            }
            for (int64_t i = 0; i <= last; ++i) d[i].data = take(most_rows * padded(net.widths[i + 1]));
            float* const result = take(STRIP * widest(net));

            for (int64_t b = 0; b < block_count(rows); ++b) {
                const Block block = block_of(b, rows);
                for (int64_t i = 0; i <= last; ++i) d[i].stride = again[i].stride = block.stride();
                const Input from = {const_cast<float*>(gradient) + place * rows * outputs, 0, outputs, outputs};
                join(&from, 1, 0, block.first, block.rows, outputs, d[last].data, d[last].stride);
                const int64_t tiles = groups(block.rows, STRIP);
                for (int64_t t = 0; t < tiles; ++t) {
                    const int64_t first = begin(t, block.rows, tiles), count = begin(t + 1, block.rows, tiles) - first;
                    for (int64_t i = last; i > 0; --i) {
                        const int64_t width = net.widths[i];
                        float* const here = mine + layout.before(i - 1);
                        const Place kept = kept_rows(here, width, block, first);
                        const Place h = net.layer_norm ? Place{again[i - 1].data + first * PANEL, block.stride()} : kept;
                        if (net.layer_norm)
                            scale_again(count, width, scales[i - 1], shifts[i - 1], net.activation, kept.data, kept.stride,
                                        h.data, h.stride);
                        const Epilogue activation = net.activation == TANGENT ? TANH_GRADIENT : RELU_GRADIENT;
                        product(count, d[i].data + first * PANEL, d[i].stride, net.widths[i + 1], transposed[i], width,
                                nullptr, h.data, h.stride, d[i - 1].data + first * PANEL, d[i - 1].stride,
                                net.activation == GAUSSIAN ? PLAIN : activation);
                        if (net.layer_norm)
                            normalise_gradient(count, width, scales[i - 1], d[i - 1].data + first * PANEL,
                                               d[i - 1].stride, kept.data, kept.stride,
                                               here + matrix_size(rows, width) + block.first + first, to_scales[i - 1],
                                               to_shifts[i - 1]);
                        if (net.activation == GAUSSIAN) {
                            const Place arguments = kept_rows(here + layout.arguments(i - 1), width, block, first);
                            gelu_gradient(count, width, arguments.data, arguments.stride,
                                          d[i - 1].data + first * PANEL, d[i - 1].stride);
                        }
                    }
                    const float* right = to_x;
                    for (int64_t n = 0; to_inputs && n < input_count; ++n) {
                        const Input& input = inputs[n];
                        if (!input.data) continue;
                        product(count, d[0].data + first * PANEL, d[0].stride, net.widths[1], right, input.width,
                                nullptr, nullptr, 0, result, STRIP * PANEL, PLAIN);
                        right += net.widths[1] * padded(input.width);
                        float* to = input.data + member * input.member_stride + (block.first + first) * input.row_stride;
                        for (int64_t p = 0; p < panels(input.width); ++p, to += PANEL)
                            accumulate(result + p * STRIP * PANEL, count, smaller(PANEL, input.width - p * PANEL), to,
                                       input.row_stride, copy == 0);
                    }
                }
                for (int64_t i = 0; slot && i <= last; ++i) {
                    const Place left = i && net.layer_norm ? again[i - 1]
                                       : kept_rows(i ? mine + layout.before(i - 1) : x, net.widths[i], block, 0);
                    const int64_t columns = net.widths[i + 1];
                    (columns <= NARROW ? narrow_weight_gradient : weight_gradient)(
                        block.rows, left, net.widths[i], d[i], columns, slot + net.weights[i], b == 0);
                    bias_gradient(block.rows, d[i], columns, slot + net.biases[i], b == 0);
                }
            }
            if (!slot) continue;
            for (int64_t i = 0; net.layer_norm && i < last; ++i) {
                memcpy(slot + net.scales[i], to_scales[i], size_t(net.widths[i + 1]) * sizeof(float));
                memcpy(slot + net.shifts[i], to_shifts[i], size_t(net.widths[i + 1]) * sizeof(float));
            }
            memset(slot + net.used, 0, size_t(net.member_size - net.used) * sizeof(float));
        }
    }
}
