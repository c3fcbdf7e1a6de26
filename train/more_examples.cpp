#include "train/more_examples.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "lait/data/example_reader.h"
#include "train/recombine.h"

namespace lait {
namespace {

std::vector<Example> labelled_examples(const RunInputs& in) {
  return read_files(*in.task, in.config.data.train, in.spec.reading).examples;
}

MoreExamples more_examples(const RunInputs& in, const std::vector<Example>& labelled) {
  const DistillConfig& distill = in.config.training.distill;
  MoreExamples more;
  if (distill.recombine > 0) {
    more.recombined =
        recombined(labelled, distill.recombine, in.config.training.seed, at::get_num_threads());
  }
  if (!distill.data.empty()) {
    ReadOptions options = in.spec.reading;
    options.purpose = ReadFor::kPrediction;
    options.skip_bad_lines = 0;
    options.skip_key = "";
    more.unlabelled = read_files(*in.task, distill.data, options).examples;
  }
  return more;
}

}  // namespace

MoreExamples more_examples(const RunInputs& in) {
  const bool recombines = in.config.training.distill.recombine > 0;
  return more_examples(in, recombines ? labelled_examples(in) : std::vector<Example>());
}

std::vector<Example> training_texts(const RunInputs& in) {
  std::vector<Example> all = labelled_examples(in);
  MoreExamples more = more_examples(in, all);
  for (std::vector<Example>* examples : {&more.recombined, &more.unlabelled})
    std::ranges::move(*examples, std::back_inserter(all));
  return all;
}

}  // namespace lait
