#include "lait/model/recompute.h"

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <memory>

namespace lait {
namespace {

using Body = std::function<at::Tensor(const at::Tensor&)>;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The context holds values that IValue knows; this makes the body one of them.
struct Again : torch::CustomClassHolder {
  explicit Again(Body what) : body(std::move(what)) {}
  Body body;
};

struct Recomputed : torch::autograd::Function<Recomputed> {
  static at::Tensor forward(AutogradContext* ctx, const Body& body, const at::Tensor& x,
                            at::TensorList parameters) {
    variable_list saved{x};
    saved.insert(saved.end(), parameters.begin(), parameters.end());
    ctx->save_for_backward(saved);
    ctx->saved_data["body"] = at::IValue::make_capsule(c10::make_intrusive<Again>(body));
    return body(x);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    variable_list inputs = ctx->get_saved_variables();
    const auto again =
        c10::static_intrusive_pointer_cast<Again>(ctx->saved_data["body"].toCapsule());
    const at::AutoGradMode with_gradients(true);
    inputs[0] = inputs[0].detach().requires_grad_(ctx->needs_input_grad(0));
    const at::Tensor y = again->body(inputs[0]);
    variable_list wanted;
    for (const at::Tensor& input : inputs) {
      if (input.requires_grad()) wanted.push_back(input);
    }
    variable_list made = torch::autograd::grad({y}, wanted, grads, /*retain_graph=*/false,
                                               /*create_graph=*/false, /*allow_unused=*/true);
    variable_list out(1);  // of the body
    size_t next = 0;
    for (const at::Tensor& input : inputs)
      out.push_back(input.requires_grad() ? std::move(made[next++]) : at::Tensor());
    return out;
  }
};

}  // namespace

at::Tensor recomputed(const Body& body, const at::Tensor& x,
                      const std::vector<at::Tensor>& parameters) {
  return Recomputed::apply(body, x, at::TensorList(parameters));
}

}  // namespace lait
