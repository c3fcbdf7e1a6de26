// Runs the CUDA kernels on a host problem: copies each tensor to the device with its strides,
// launches, and copies the rows back. NeedsDevice skips the test, with a message, where there is
// neither a GPU nor an emulator.
#pragma once
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "kernels/segment_attention.h"
#include "kernels/work_list.h"

namespace lait::kernels::testing {

inline void check(cudaError_t status) {
  if (status != cudaSuccess) throw std::runtime_error(cudaGetErrorString(status));
}

class NeedsDevice : public ::testing::Test {
 protected:
  void SetUp() override {
    int count = 0;
    if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0)
      GTEST_SKIP() << "no GPU, and no emulator of one";
  }
};

class DeviceBytes {
 public:
  explicit DeviceBytes(size_t size) : size_(size) {
    check(cudaMalloc(&data_, std::max<size_t>(size, 16)));
  }
  DeviceBytes(const void* from, size_t size) : DeviceBytes(size) {
    check(cudaMemcpy(data_, from, size, cudaMemcpyHostToDevice));
  }
  DeviceBytes(const DeviceBytes&) = delete;
  ~DeviceBytes() { cudaFree(data_); }
  void* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  void* data_ = nullptr;
  size_t size_;
};

// Copies of a call's tensors on the device; the host's parameters are not changed.
class DeviceCall {
 public:
  explicit DeviceCall(const SegmentAttentionGradParams& host) : host_(host), grad_(host) {
    SegmentAttentionParams& p = grad_.forward;
    const SegmentAttentionParams& h = host.forward;
    element_ = p.dtype == DType::kFloat32 ? 4 : 2;
    const HostWorkList list = make_work_list(h.q_offsets, h.k_offsets, h.num_units, h.head_dim);
    p.work.tiles = copy(list.tiles.data(), static_cast<int64_t>(list.tiles.size()));
    for (int part = 0; part < kWorkParts; ++part)
      std::ranges::copy(list.blocks[part], p.work.blocks[part]);
    p.q_offsets = copy(h.q_offsets, h.num_units + 1);
    p.k_offsets = copy(h.k_offsets, h.num_units + 1);
    p.q_positions = copy(h.q_positions, h.num_q_rows);
    p.unit_ids = copy(h.unit_ids, h.num_units);
    p.bias.table = copy(h.bias.table, h.bias.num_buckets * h.num_heads);
    p.lexical = {copy(h.lexical.table, h.num_heads), copy(h.lexical.q_words, h.num_q_rows),
                 copy(h.lexical.k_words, h.k_offsets[h.num_units])};
    p.q = input(h.q, h.num_q_rows);
    if (h.runs) {
      copy_runs(p, h);
    } else {
      p.k = input(h.k, h.num_k_rows);
      p.v = input(h.v, h.num_k_rows);
    }
    grad_.dout = input(host.dout, h.num_q_rows);
    p.out = output(h.out, h.num_q_rows);
    grad_.dq = output(host.dq, h.num_q_rows);
    grad_.dk = output(host.dk, h.num_k_rows);
    grad_.dv = output(host.dv, h.num_k_rows);
    if (h.lse) p.lse = nan(4 * h.num_heads * h.num_q_rows);
    if (host.bias_grad) grad_.bias_grad = nan(4 * h.bias.num_buckets * h.num_heads);
    if (host.lexical_grad) grad_.lexical_grad = nan(4 * h.num_heads);
    grad_.workspace = nan(cuda::backward_workspace_bytes(grad_));
  }
  SegmentAttentionGradParams& params() { return grad_; }

  void forward() { cuda::segment_attention_forward(grad_.forward); }
  void backward() { cuda::segment_attention_backward(grad_); }
  // Copies the outputs to the host's tensors.
  void fetch(bool gradients) {
    const SegmentAttentionParams& h = host_.forward;
    check(cudaDeviceSynchronize());
    fetch_rows(h.out, grad_.forward.out, h.num_q_rows);
    fetch_flat(h.lse, grad_.forward.lse, h.num_heads * h.num_q_rows);
    if (!gradients) return;
    fetch_rows(host_.dq, grad_.dq, h.num_q_rows);
    fetch_rows(host_.dk, grad_.dk, h.num_k_rows);
    fetch_rows(host_.dv, grad_.dv, h.num_k_rows);
    fetch_flat(host_.bias_grad, grad_.bias_grad, h.bias.num_buckets * h.num_heads);
    fetch_flat(host_.lexical_grad, grad_.lexical_grad, h.num_heads);
  }

 private:
  template <class T>
  const T* copy(const T* from, int64_t size) {
    if (from == nullptr) return nullptr;
    bytes_.push_back(std::make_unique<DeviceBytes>(from, static_cast<size_t>(size) * sizeof(T)));
    return static_cast<const T*>(bytes_.back()->data());
  }
  // A source is copied from its first key to the last value of its last run.
  void copy_runs(SegmentAttentionParams& p, const SegmentAttentionParams& h) {
    p.runs = copy(h.runs, h.num_runs);
    p.run_offsets = copy(h.run_offsets, h.num_units + 1);
    for (int64_t s = 0; s < h.num_sources; ++s) {
      KeySource source = h.sources[s];
      int64_t elements = 0;
      for (int64_t r = 0; r < h.num_runs; ++r) {
        if (h.runs[r].source == s)
          elements = std::max(elements, h.runs[r].offset + h.runs[r].length * source.row_stride);
      }
      const auto* from = static_cast<const char*>(source.k);
      const int64_t values = static_cast<const char*>(source.v) - from;
      const char* to = copy(from, values + elements * element_);
      source.k = to;
      source.v = to + values;
      sources_.push_back(source);
    }
    p.sources = sources_.data();
  }
  void* nan(int64_t size) {
    bytes_.push_back(std::make_unique<DeviceBytes>(static_cast<size_t>(size)));
    check(cudaMemset(bytes_.back()->data(), 0xFF, bytes_.back()->size()));
    return bytes_.back()->data();
  }
  template <class Pointer>
  int64_t extent(const Rows<Pointer>& rows, int64_t num_rows) const {
    const int64_t heads = host_.forward.num_heads;
    return num_rows == 0 ? 0
                         : element_ * ((num_rows - 1) * rows.row_stride +
                                       (heads - 1) * rows.head_stride + host_.forward.head_dim);
  }
  Rows<const void*> input(Rows<const void*> rows, int64_t num_rows) {
    rows.data = copy(static_cast<const char*>(rows.data), extent(rows, num_rows));
    return rows;
  }
  Rows<void*> output(Rows<void*> rows, int64_t num_rows) {
    rows.data = nan(extent(rows, num_rows));
    return rows;
  }
  void fetch_rows(const Rows<void*>& to, const Rows<void*>& from, int64_t num_rows) {
    const auto stride = static_cast<size_t>(to.row_stride * element_);
    const auto width =
        static_cast<size_t>(host_.forward.num_heads * host_.forward.head_dim * element_);
    if (num_rows > 0)
      check(cudaMemcpy2D(to.data, stride, from.data, stride, width, static_cast<size_t>(num_rows),
                         cudaMemcpyDeviceToHost));
  }
  static void fetch_flat(void* to, const void* from, int64_t floats) {
    if (to) check(cudaMemcpy(to, from, static_cast<size_t>(4 * floats), cudaMemcpyDeviceToHost));
  }

  const SegmentAttentionGradParams& host_;
  SegmentAttentionGradParams grad_;
  std::vector<KeySource> sources_;
  int64_t element_ = 0;
  std::vector<std::unique_ptr<DeviceBytes>> bytes_;
};

inline void cuda_forward(const SegmentAttentionParams& host) {
  SegmentAttentionGradParams grad;
  grad.forward = host;
  DeviceCall call(grad);
  call.forward();
  call.fetch(false);
}
// Runs forward first, as lse and out must be on the device.
inline void cuda_backward(const SegmentAttentionGradParams& host) {
  DeviceCall call(host);
  call.forward();
  call.backward();
  call.fetch(true);
}

}  // namespace lait::kernels::testing
