// lait::rms_norm and its gradient through the dispatcher, for the other operators' backward.
#pragma once
#include <ATen/core/Tensor.h>

#include <tuple>

namespace lait::ops {

// x (T, C), weight (C) -> rms_norm(x), and 1 / sqrt(mean(x^2) + epsilon) of each row (T) float.
std::tuple<at::Tensor, at::Tensor> rms_norm_and_scale(const at::Tensor& x, const at::Tensor& weight,
                                                      double epsilon);
// The gradients of x and weight.
std::tuple<at::Tensor, at::Tensor> rms_norm_gradients(const at::Tensor& dout, const at::Tensor& x,
                                                      const at::Tensor& weight,
                                                      const at::Tensor& rstd);

}  // namespace lait::ops
