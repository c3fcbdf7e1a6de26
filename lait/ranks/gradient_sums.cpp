#include "lait/ranks/gradient_sums.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <torch/csrc/distributed/c10d/reducer.hpp>

namespace lait {

GradientSums::GradientSums(Ranks& ranks, std::vector<at::Tensor> leaves,
                           std::vector<at::Tensor> tables)
    : ranks_(ranks), tables_(std::move(tables)) {
  if (ranks.size() == 1) return;
  // Backward computes the last leaves' gradients first, so theirs is the first bucket, which is
  // small.
  std::ranges::reverse(leaves);
  const auto buckets = std::get<0>(c10d::compute_bucket_assignment_by_size(
      leaves, {c10d::kDefaultFirstBucketBytes, c10d::kDefaultBucketBytesCap}));
  const std::vector<bool> sparse(leaves.size(), false);
  reducer_ = std::make_unique<c10d::Reducer>(
      std::move(leaves), buckets, ranks.group(), sparse, c10d::kDefaultBucketBytesCap,
      /*find_unused_parameters=*/false, /*gradient_as_bucket_view=*/true,
      std::unordered_map<size_t, std::string>{}, c10d::kDefaultFirstBucketBytes,
      /*skip_all_reduce_unused_params=*/false, /*use_python_reducer=*/false,
      std::vector<int64_t>{});
  // The buckets stay as they are, since other ones would add up in another order. Until they are
  // "rebuilt", the Reducer writes down the order of every backward's gradients.
  reducer_->push_rebuilt_params_for_all_indices();
  ranks_.wait([&] { reducer_->rebuild_buckets(); });
}

GradientSums::~GradientSums() = default;

void GradientSums::last_backward(const at::Tensor& loss) {
  if (reducer_ == nullptr) return loss.backward();
  ranks_.wait([&] {
    reducer_->prepare_for_backward({});
    loss.backward();
  });
  for (const at::Tensor& table : tables_) sum_rows(table.grad());
}

void GradientSums::sum_rows(at::Tensor gradient) {
  const at::NoGradGuard no_grad;
  at::Tensor used = gradient.ne(0).any(/*dim=*/1).to(at::kInt);  // on any rank
  ranks_.sum(used);
  const at::Tensor rows = used.nonzero().squeeze(1);
  at::Tensor part = gradient.index_select(0, rows).div_(ranks_.size());
  ranks_.sum(part);
  gradient.index_copy_(0, rows, part);
}

}  // namespace lait
