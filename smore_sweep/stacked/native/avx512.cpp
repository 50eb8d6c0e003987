// The fused passes for processors with AVX-512: 14 rows of 32 columns in registers.
#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx2,fma")
#endif
#include <immintrin.h>

namespace {

using Vector = __m512;
constexpr int LANES = 16;
constexpr int TILE = 14;

inline Vector load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, Vector x) { _mm512_storeu_ps(p, x); }
inline Vector all(float x) { return _mm512_set1_ps(x); }
inline Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
inline Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
inline Vector sub(Vector a, Vector b) { return _mm512_sub_ps(a, b); }
inline Vector mul(Vector a, Vector b) { return _mm512_mul_ps(a, b); }
inline Vector div(Vector a, Vector b) { return _mm512_div_ps(a, b); }
inline Vector min(Vector a, Vector b) { return _mm512_min_ps(a, b); }  // b where either is NaN
inline Vector max(Vector a, Vector b) { return _mm512_max_ps(a, b); }  // b where either is NaN
inline Vector absolute(Vector a) { return _mm512_abs_ps(a); }
inline Vector nearest(Vector a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

// d where h > 0 or h is NaN, else 0
inline Vector where_positive(Vector h, Vector d) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(h, _mm512_setzero_ps(), _CMP_NLE_UQ), d);
}

// x where a < b, else y
inline Vector where_less(Vector a, Vector b, Vector x, Vector y) {
    return _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), x);
}

// a (not negative) with the sign of b
inline Vector with_sign(Vector a, Vector b) {
    const __m512i sign = _mm512_and_si512(_mm512_castps_si512(b), _mm512_set1_epi32(int(0x80000000u)));
    return _mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(a), sign));
}

// 2^n of a whole number n
inline Vector power_of_two(Vector n) {
    const __m512i exponent = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
    return _mm512_castsi512_ps(_mm512_slli_epi32(exponent, 23));
}

inline __m256 fold(const Vector* x) {
    const __m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(x[0]), 1));
    return _mm256_add_ps(_mm512_castps512_ps256(x[0]), high);
}

}  // namespace

#define ENTRY(name) name##_avx512
#include "passes.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
