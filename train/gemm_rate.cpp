#include "train/gemm_rate.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "lait/ops/ops.h"
#include "train/log_window.h"

namespace lait {

double gemm_rate(const Model& model) {
  // So that a GPU is full, and a CPU done soon.
  const int64_t rows = model->device().is_cpu() ? 512 : 16384;
  constexpr int kLeast = 4, kMost = 100;
  constexpr double kSeconds = 0.1;
  const at::NoGradGuard no_grad;
  const LayerCosts costs = model->config.family->costs(model->config).layer;
  const auto options = at::TensorOptions().device(model->device()).dtype(model->compute_dtype);
  // Values of all kinds: zeros cost a GPU less power, and so less time.
  const auto values = [&](int64_t count, int64_t width) {
    return at::arange(count * width, options.dtype(at::kFloat))
        .remainder_(251)
        .div_(251)
        .sub_(0.5)
        .view({count, width})
        .to(model->compute_dtype);
  };
  const at::Tensor x = values(rows, costs.widest_in),
                   weight = values(costs.widest_out, costs.widest_in),
                   bias = at::zeros({costs.widest_out}, options);
  const double began = steady_seconds();
  double least = 0;
  for (int i = 0; i < kLeast || (i < kMost && steady_seconds() - began < kSeconds); ++i) {
    const double start = steady_seconds();
    const at::Tensor y = ops::linear(x, weight, bias, weight, bias);
    y.select(0, 0).select(0, 0).item<float>();  // waits for the device
    const double seconds = steady_seconds() - start;
    least = i == 0 ? seconds : std::min(least, seconds);
  }
  return 2 * static_cast<double>(rows) * static_cast<double>(costs.widest_in) *
         static_cast<double>(costs.widest_out) / least;
}

}  // namespace lait
