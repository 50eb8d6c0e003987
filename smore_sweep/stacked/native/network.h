// A network as Python describes it (fused.py has the same structures).
#pragma once
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

constexpr int MOST_LAYERS = 16;

enum Activation { RECTIFIER, TANGENT, GAUSSIAN };  // of hidden layers: ReLU, tanh, GELU in its tanh approximation

struct Network {
    int64_t layers;  // products: hidden layers + 1
    int64_t activation;
    int64_t layer_norm;  // before the activation, but after GELU
    int64_t copies;
    int64_t members;
    int64_t member_size;  // parameters of one copy of one member, with padding
    int64_t used;  // of these, weights, biases, scales and shifts; the gradient of the rest is zero
    int64_t widths[MOST_LAYERS + 1];
    int64_t weights[MOST_LAYERS];  // where they begin
    int64_t biases[MOST_LAYERS];
    int64_t scales[MOST_LAYERS];
    int64_t shifts[MOST_LAYERS];
    double epsilon;  // of LayerNorm
};

// An input `[members][rows][width]`, or its gradient; rows are contiguous.
struct Input {
    float* data;  // null for a gradient that nobody wants
    int64_t member_stride;
    int64_t row_stride;
    int64_t width;
};

namespace {

// Memory of a thread that calls keep and share.
struct Arena {
    char* memory = nullptr;
    size_t size = 0;
    ~Arena() { free(memory); }
    float* floats(size_t count) {
        const size_t bytes = (count * sizeof(float) + 4095) / 4096 * 4096;
        if (bytes > size) {
            free(memory);
            memory = static_cast<char*>(aligned_alloc(4096, bytes));
            if (!memory) abort();
            size = bytes;
        }
        return reinterpret_cast<float*>(memory);
    }
};

}  // namespace
