// The fused passes for processors with AVX2: 6 rows of 16 columns in registers; and the choice between the two.
#include <stdint.h>

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#include <immintrin.h>

namespace {

using Vector = __m256;
constexpr int LANES = 8;
constexpr int TILE = 6;

inline Vector load(const float* p) { return _mm256_loadu_ps(p); }
inline void store(float* p, Vector x) { _mm256_storeu_ps(p, x); }
inline Vector all(float x) { return _mm256_set1_ps(x); }
inline Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
inline Vector add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
inline Vector sub(Vector a, Vector b) { return _mm256_sub_ps(a, b); }
inline Vector mul(Vector a, Vector b) { return _mm256_mul_ps(a, b); }
inline Vector div(Vector a, Vector b) { return _mm256_div_ps(a, b); }
inline Vector min(Vector a, Vector b) { return _mm256_min_ps(a, b); }  // b where either is NaN
inline Vector max(Vector a, Vector b) { return _mm256_max_ps(a, b); }  // b where either is NaN
inline Vector absolute(Vector a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
inline Vector nearest(Vector a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

// d where h > 0 or h is NaN, else 0
inline Vector where_positive(Vector h, Vector d) {
    return _mm256_and_ps(_mm256_cmp_ps(h, _mm256_setzero_ps(), _CMP_NLE_UQ), d);
}

// x where a < b, else y
inline Vector where_less(Vector a, Vector b, Vector x, Vector y) {
    return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}

// a (not negative) with the sign of b
inline Vector with_sign(Vector a, Vector b) { return _mm256_or_ps(a, _mm256_and_ps(_mm256_set1_ps(-0.0f), b)); }

// 2^n of a whole number n
inline Vector power_of_two(Vector n) {
    const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23));
}

inline __m256 fold(const Vector* x) { return _mm256_add_ps(x[0], x[1]); }

}  // namespace

#define ENTRY(name) name##_avx2
#include "passes.h"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

// Raised when the structures of network.h change: fused.py passes over a library of another layout.
extern "C" int64_t layout() { return 2; }

// The widest vectors that both this file and the processor know: 512, 256, or 0 for none.
extern "C" int64_t vector_bits() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 0;
    return __builtin_cpu_supports("avx512f") ? 512 : 256;
#else
    return 0;
#endif
}
