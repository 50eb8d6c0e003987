// Matrix products with the operations around them in their epilogues. Included once for each instruction set.
//
// A matrix is kept in panels of PANEL columns, `[panels][rows][PANEL]`, the last one filled up with zeros: the layout in
// which it is read both as a left and as a right factor. An entry of a product is one chain of fused multiply-adds, in
// the order of the inner dimension, whatever the tiles: it does not depend on the stack, on the other rows, nor on the
// instruction set.

namespace {

constexpr int PANEL = 2 * LANES;

thread_local int64_t operations = 0;  // of the products made so far, 2 per multiply-add

inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t panels(int64_t columns) { return (columns + PANEL - 1) / PANEL; }
inline int64_t padded(int64_t columns) { return panels(columns) * PANEL; }

// Of `count` things in groups of at most `largest`, as even as possible: where group `index` of `groups` begins.
inline int64_t groups(int64_t count, int64_t largest) { return (count + largest - 1) / largest; }
inline int64_t begin(int64_t index, int64_t count, int64_t groups) { return index * count / groups; }

// exp of |y| < 88 (coefficients of Cephes' expf).
inline Vector exponential(Vector y) {
    const Vector n = nearest(mul(y, all(1.44269504088896341f)));
    const Vector r = fma(n, all(2.12194440e-4f), fma(n, all(-0.693359375f), y));
    Vector e = all(1.9875691500e-4f);
    e = fma(e, r, all(1.3981999507e-3f));
    e = fma(e, r, all(8.3334519073e-3f));
    e = fma(e, r, all(4.1665795894e-2f));
    e = fma(e, r, all(1.6666665459e-1f));
    e = fma(e, r, all(5.0000001201e-1f));
    e = add(fma(e, mul(r, r), r), all(1.0f));
    return mul(e, power_of_two(n));
}

// tanh to about 1.5 units in the last place (coefficients of Cephes' tanhf).
inline Vector hyperbolic_tangent(Vector x) {
    const Vector size = absolute(x), square = mul(x, x);
    Vector p = all(-5.70498872745e-3f);
    p = fma(p, square, all(2.06390887954e-2f));
    p = fma(p, square, all(-5.37397155531e-2f));
    p = fma(p, square, all(1.33314422036e-1f));
    p = fma(p, square, all(-3.33332819422e-1f));
    const Vector near = fma(mul(p, square), x, x);

    const Vector one = all(1.0f), e = exponential(min(all(20.0f), add(size, size)));
    const Vector far = sub(one, div(all(2.0f), add(e, one)));
    return where_less(size, all(0.625f), near, with_sign(far, x));
}

// GELU is x s with s = (1 + tanh(y / 2)) / 2 = 1 / (1 + exp(-y)) and y = 2 sqrt(2 / pi) (x + 0.044715 x^3).
constexpr float GELU_LINEAR = 1.5957691216057308f, GELU_CUBIC = 0.07135481627f;

struct Gelu {
    Vector share;  // s
    Vector rest;  // 1 - s, which is exp(-y) s
};
inline Gelu gelu_parts(Vector x, Vector square) {
    const Vector y = mul(x, fma(square, all(-GELU_CUBIC), all(-GELU_LINEAR))), one = all(1.0f);
    const Vector e = exponential(max(all(-80.0f), min(all(80.0f), y))), share = div(one, add(one, e));
    return {share, mul(e, share)};
}

inline Vector gelu(Vector x) { return mul(x, gelu_parts(x, mul(x, x)).share); }

inline Vector gelu_gradient(Vector x) {
    x = max(all(-9.0f), min(all(9.0f), x));  // where it is 0 or 1; beyond, the slope of y would overflow
    const Vector square = mul(x, x);
    const Gelu parts = gelu_parts(x, square);
    const Vector slope = mul(x, fma(square, all(3.0f * GELU_CUBIC), all(GELU_LINEAR)));
    return fma(mul(slope, parts.rest), parts.share, parts.share);
}

enum Epilogue { PLAIN, RELU, TANH, RELU_GRADIENT, TANH_GRADIENT };

// One tile of rows, by one panel of columns.
struct Tile {
    const float* left;  // [depth / PANEL][rows][PANEL]
    int64_t left_stride;  // between its panels
    int64_t depth;
    const float* right;  // [depth][PANEL]
    const float* bias;  // [PANEL], or null
    const float* activations;  // those of the result's layer, for the epilogues of gradients: [rows][PANEL]
    float* out;  // [rows][PANEL]
    Epilogue epilogue;
};

template <int ROWS, int VECTORS>
void multiply(const Tile& t) {
    Vector sum[ROWS][VECTORS];
    for (int v = 0; v < VECTORS; ++v) {
        const Vector start = t.bias ? load(t.bias + v * LANES) : all(0.0f);
#pragma GCC unroll 16
        for (int r = 0; r < ROWS; ++r) sum[r][v] = start;
    }
    const float *left = t.left, *right = t.right;
    for (int64_t done = 0; done < t.depth; done += PANEL, left += t.left_stride) {
        const float* end = left + smaller(PANEL, t.depth - done);
        for (const float* k = left; k < end; ++k, right += PANEL) {
            Vector factor[VECTORS];
#pragma GCC unroll 2
            for (int v = 0; v < VECTORS; ++v) factor[v] = load(right + v * LANES);
#pragma GCC unroll 16
            for (int r = 0; r < ROWS; ++r) {
                const Vector x = all(k[r * PANEL]);
#pragma GCC unroll 2
                for (int v = 0; v < VECTORS; ++v) sum[r][v] = fma(x, factor[v], sum[r][v]);
            }
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; ++r) {
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; ++v) {
            const int64_t at = r * PANEL + v * LANES;
            Vector x = sum[r][v];
            if (t.epilogue == RELU) {
                x = max(all(0.0f), x);
            } else if (t.epilogue == RELU_GRADIENT) {
                x = where_positive(load(t.activations + at), x);
            } else if (t.epilogue == TANH_GRADIENT) {
                const Vector h = load(t.activations + at);
                x = mul(x, sub(all(1.0f), mul(h, h)));
            }
            store(t.out + at, x);
        }
    }
    if (t.epilogue == TANH) {
        for (int i = 0; i < ROWS; ++i)
            for (int v = 0; v < VECTORS; ++v) {
                float* at = t.out + i * PANEL + v * LANES;
                store(at, hyperbolic_tangent(load(at)));
            }
    }
    if (VECTORS == 1)
        for (int r = 0; r < ROWS; ++r) store(t.out + r * PANEL + LANES, all(0.0f));
}

// The gradient of weights: left^T right over some rows, for ROWS columns of `left` by one panel of `right`.
struct Outer {
    const float* left;  // [rows][PANEL], from the first of the columns
    const float* right;  // [rows][PANEL]
    int64_t rows;
    float* out;  // [ROWS][PANEL]
};

template <int ROWS, int VECTORS>
void outer(const Outer& t) {
    Vector sum[ROWS][VECTORS];
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; ++v) {
#pragma GCC unroll 16
        for (int r = 0; r < ROWS; ++r) sum[r][v] = all(0.0f);
    }
    const float *left = t.left, *right = t.right, *end = t.right + t.rows * PANEL;
    for (; right < end; left += PANEL, right += PANEL) {
        Vector factor[VECTORS];
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; ++v) factor[v] = load(right + v * LANES);
#pragma GCC unroll 16
        for (int r = 0; r < ROWS; ++r) {
            const Vector x = all(left[r]);
#pragma GCC unroll 2
            for (int v = 0; v < VECTORS; ++v) sum[r][v] = fma(x, factor[v], sum[r][v]);
        }
    }
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; ++v) {
#pragma GCC unroll 16
        for (int r = 0; r < ROWS; ++r) store(t.out + r * PANEL + v * LANES, sum[r][v]);
    }
}

// The sums of a panel's columns, `[rows][PANEL]`, which are the gradient of a bias: eight rows in pairs, then these.
inline void sum_columns(const float* panel, int64_t rows, float* out) {
    for (int64_t v = 0; v < PANEL; v += LANES) {
        auto row = [&](int64_t r) { return load(panel + r * PANEL + v); };
        Vector sum = all(0.0f);
        int64_t r = 0;
        for (; r + 8 <= rows; r += 8) {
            const Vector first = add(add(row(r), row(r + 1)), add(row(r + 2), row(r + 3)));
            sum = add(sum, add(first, add(add(row(r + 4), row(r + 5)), add(row(r + 6), row(r + 7)))));
        }
        for (; r < rows; ++r) sum = add(sum, row(r));
        store(out + v, sum);
    }
}

// Constants, not code that runs when the library is loaded: the processor may lack these instructions.
struct Kernels {
    void (*products[TILE + 1][2])(const Tile&) = {};
    void (*outers[TILE + 1][2])(const Outer&) = {};
    constexpr Kernels() { fill<TILE>(); }

    template <int ROWS>
    constexpr void fill() {
        products[ROWS][0] = multiply<ROWS, 1>;
        products[ROWS][1] = multiply<ROWS, 2>;
        outers[ROWS][0] = outer<ROWS, 1>;
        outers[ROWS][1] = outer<ROWS, 2>;
        if constexpr (ROWS > 1) fill<ROWS - 1>();
    }
};
constexpr Kernels kernels;

// The sum of 16 lanes, in one order for all instruction sets.
inline float total(const Vector* x) {
    const __m256 eight = fold(x);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

// Packs weights `[depth][columns]` as a right factor, in panels `[panels][depth][PANEL]`.
void pack(const float* weights, int64_t depth, int64_t columns, float* out) {
    for (int64_t first = 0; first < columns; first += PANEL) {
        const int64_t width = smaller(PANEL, columns - first);
        for (int64_t k = 0; k < depth; ++k, out += PANEL) {
            const float* row = weights + k * columns + first;
            if (width == PANEL) {
                store(out, load(row));
                store(out + LANES, load(row + LANES));
            } else {
                for (int64_t i = 0; i < PANEL; ++i) out[i] = i < width ? row[i] : 0.0f;
            }
        }
    }
}

inline void transpose_8x8(const float* in, int64_t in_stride, float* out, int64_t out_stride) {
    __m256 r[8], s[8];
    for (int i = 0; i < 8; ++i) r[i] = _mm256_loadu_ps(in + i * in_stride);
    for (int i = 0; i < 4; ++i) {
        s[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        s[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 2; ++i) {
        r[4 * i] = _mm256_shuffle_ps(s[4 * i], s[4 * i + 2], 0x44);
        r[4 * i + 1] = _mm256_shuffle_ps(s[4 * i], s[4 * i + 2], 0xEE);
        r[4 * i + 2] = _mm256_shuffle_ps(s[4 * i + 1], s[4 * i + 3], 0x44);
        r[4 * i + 3] = _mm256_shuffle_ps(s[4 * i + 1], s[4 * i + 3], 0xEE);
    }
    for (int i = 0; i < 4; ++i) {
        _mm256_storeu_ps(out + i * out_stride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
        _mm256_storeu_ps(out + (i + 4) * out_stride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
}

// Packs the transpose of rows `[columns][depth]` as a right factor, in panels `[panels][depth][PANEL]`.
void pack_transposed(const float* rows, int64_t depth, int64_t columns, float* out) {
    for (int64_t first = 0; first < columns; first += PANEL, out += depth * PANEL) {
        for (int64_t i = 0; i < PANEL; i += 8) {
            const float* row = rows + (first + i) * depth;
            int64_t k = 0;
            if (first + i + 8 <= columns)
                for (; k + 8 <= depth; k += 8) transpose_8x8(row + k, depth, out + k * PANEL + i, PANEL);
            for (; k < depth; ++k)
                for (int64_t j = 0; j < 8; ++j) out[k * PANEL + i + j] = first + i + j < columns ? row[j * depth + k] : 0;
        }
    }
}

// A product of `rows` rows by all columns of a packed right factor.
void product(int64_t rows, const float* left, int64_t left_stride, int64_t depth, const float* right, int64_t columns,
             const float* bias, const float* activations, int64_t activations_stride, float* out, int64_t out_stride,
             Epilogue epilogue) {
    operations += 2 * rows * depth * columns;
    const int64_t tiles = groups(rows, TILE);
    for (int64_t p = 0; p * PANEL < columns; ++p)
        for (int64_t t = 0; t < tiles; ++t) {
            const int64_t first = begin(t, rows, tiles), from = first * PANEL;
            const Tile tile = {left + from, left_stride, depth, right + p * depth * PANEL,
                               bias ? bias + p * PANEL : nullptr,
                               activations ? activations + p * activations_stride + from : nullptr,
                               out + p * out_stride + from, epilogue};
            kernels.products[begin(t + 1, rows, tiles) - first][columns - p * PANEL > LANES](tile);
        }
}

}  // namespace
