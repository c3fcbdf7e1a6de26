#include "train/log_window.h"

#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/where.h>

#include <chrono>

namespace lait {

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void OpenWindow::add(const at::Tensor& loss, const at::Tensor& gradient_norm,
                     const StepPart& part) {
  const at::Tensor skipped = at::isfinite(gradient_norm).logical_not().to(at::kFloat);
  const at::Tensor counted = at::where(skipped == 0, loss, 0);
  loss_sum_ = empty() ? counted : loss_sum_ + counted;
  skipped_ = empty() ? skipped : skipped_ + skipped;
  skipped_in_a_row_ = skipped_in_a_row_.defined() ? (skipped_in_a_row_ + 1) * skipped : skipped;
  gradient_norm_ = gradient_norm;
  ++sums_.steps;
  sums_.examples += part.examples;
  sums_.tokens += part.tokens;
  sums_.flops += part.flops;
}

LogWindow OpenWindow::read() const {
  LogWindow window = sums_;
  if (skipped_in_a_row_.defined()) window.skipped_in_a_row = skipped_in_a_row_.item<int64_t>();
  if (empty()) return window;
  window.loss_sum = loss_sum_.item<double>();
  window.gradient_norm = gradient_norm_.item<double>();
  window.skipped = skipped_.item<int64_t>();
  window.seconds += steady_seconds() - began_;
  return window;
}

void OpenWindow::clear() {
  at::Tensor in_a_row = std::move(skipped_in_a_row_);
  *this = {};
  skipped_in_a_row_ = std::move(in_a_row);
  resume_clock();
}

void OpenWindow::restore(const LogWindow& window, at::Device device) {
  clear();
  sums_ = window;
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  loss_sum_ = at::full({}, window.loss_sum, options);
  gradient_norm_ = at::full({}, window.gradient_norm, options);
  skipped_ = at::full({}, window.skipped, options);
  skipped_in_a_row_ = at::full({}, window.skipped_in_a_row, options);
}

void OpenWindow::resume_clock() { began_ = steady_seconds(); }

}  // namespace lait
