// Counts what is really executed: the row-wise products and attention calls that LibTorch sees.
#pragma once
#include <ATen/ATen.h>
#include <ATen/record_function.h>

#include <memory>
#include <string>

namespace lait {

struct Executed {
  // FLOPs; a multiply-add counts as 2.
  double linear = 0, attention = 0;
  // An operator calls itself again below autograd.
  int depth = 0;
};

namespace executed_count {

inline Executed executed;

inline bool is_counted(const at::RecordFunction& call) {
  const std::string name = call.name();
  return name == "aten::linear" || name == "lait::segment_attention" ||
         name == "lait::segment_attention_runs";
}

inline std::unique_ptr<at::ObserverContext> count_begin(const at::RecordFunction& call) {
  if (!is_counted(call) || executed.depth++ > 0) return nullptr;
  const auto inputs = call.inputs();
  if (std::string(call.name()) == "aten::linear") {
    const at::Tensor x = inputs[0].toTensor(), weight = inputs[1].toTensor();
    executed.linear += 2.0 * static_cast<double>(x.size(0)) * static_cast<double>(weight.numel());
  } else {
    const bool in_runs = std::string(call.name()) == "lait::segment_attention_runs";
    const at::Tensor q = inputs[0].toTensor(), q_offsets = inputs[in_runs ? 4 : 3].toTensor(),
                     k_offsets = inputs[in_runs ? 5 : 4].toTensor();
    const auto pairs = (at::diff(q_offsets) * at::diff(k_offsets)).sum().item<int64_t>();
    executed.attention += 4.0 * static_cast<double>(q.size(1) * q.size(2) * pairs);
  }
  return nullptr;
}

inline void count_end(const at::RecordFunction& call, at::ObserverContext*) {
  executed.depth -= is_counted(call);
}

}  // namespace executed_count

template <class Body>
Executed count_executed(const Body& body) {
  using namespace executed_count;
  executed = {};
  const auto handle = at::addThreadLocalCallback(
      at::RecordFunctionCallback(count_begin, count_end).needsInputs(true));
  body();
  at::removeCallback(handle);
  return executed;
}

}  // namespace lait
