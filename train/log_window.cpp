#include "train/log_window.h"

#include <ATen/ops/full.h>

#include <chrono>

namespace lait {

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void OpenWindow::add(const at::Tensor& loss, const at::Tensor& gradient_norm, int64_t examples,
                     int64_t tokens) {
  loss_sum_ = empty() ? loss : loss_sum_ + loss;
  gradient_norm_ = gradient_norm;
  ++sums_.steps;
  sums_.examples += examples;
  sums_.tokens += tokens;
}

LogWindow OpenWindow::read() const {
  LogWindow window = sums_;
  if (empty()) return window;
  window.loss_sum = loss_sum_.item<double>();
  window.gradient_norm = gradient_norm_.item<double>();
  window.seconds += steady_seconds() - began_;
  return window;
}

void OpenWindow::clear() {
  *this = {};
  resume_clock();
}

void OpenWindow::restore(const LogWindow& window, at::Device device) {
  clear();
  sums_ = window;
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  loss_sum_ = at::full({}, window.loss_sum, options);
  gradient_norm_ = at::full({}, window.gradient_norm, options);
}

void OpenWindow::resume_clock() { began_ = steady_seconds(); }

}  // namespace lait
