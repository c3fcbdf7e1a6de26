#include "lait/model/recompute.h"

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <memory>

namespace lait {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The context holds values that IValue knows; this makes the body one of them.
struct Again : torch::CustomClassHolder {
  Again(RecomputedBody what, size_t inputs) : body(std::move(what)), num_inputs(inputs) {}
  RecomputedBody body;
  size_t num_inputs;
};

struct Recomputed : torch::autograd::Function<Recomputed> {
  static at::Tensor forward(AutogradContext* ctx, const RecomputedBody& body, at::TensorList inputs,
                            at::TensorList parameters) {
    variable_list saved = inputs.vec();
    saved.insert(saved.end(), parameters.begin(), parameters.end());
    ctx->save_for_backward(saved);
    ctx->saved_data["body"] =
        at::IValue::make_capsule(c10::make_intrusive<Again>(body, inputs.size()));
    return body(inputs.vec());
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    variable_list saved = ctx->get_saved_variables();
    const auto again =
        c10::static_intrusive_pointer_cast<Again>(ctx->saved_data["body"].toCapsule());
    const at::AutoGradMode with_gradients(true);
    for (size_t i = 0; i < again->num_inputs; ++i)
      saved[i] = saved[i].detach().requires_grad_(ctx->needs_input_grad(i));
    const at::Tensor y =
        again->body({saved.begin(), saved.begin() + static_cast<int64_t>(again->num_inputs)});
    variable_list wanted;
    for (const at::Tensor& input : saved) {
      if (input.requires_grad()) wanted.push_back(input);
    }
    variable_list made = torch::autograd::grad({y}, wanted, grads, /*retain_graph=*/false,
                                               /*create_graph=*/false, /*allow_unused=*/true);
    variable_list out(1);  // of the body
    size_t next = 0;
    for (const at::Tensor& input : saved)
      out.push_back(input.requires_grad() ? std::move(made[next++]) : at::Tensor());
    return out;
  }
};

}  // namespace

at::Tensor recomputed(const RecomputedBody& body, const std::vector<at::Tensor>& inputs,
                      const std::vector<at::Tensor>& parameters) {
  return Recomputed::apply(body, at::TensorList(inputs), at::TensorList(parameters));
}

}  // namespace lait
