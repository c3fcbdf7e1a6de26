#include "eval/serve/job_window.h"

#include <iterator>
#include <map>

#include "lait/text/cut_text.h"

namespace lait {
namespace {

// The segments of a window's items.
struct Placed {
  std::vector<PlacedSegment> segments = {};
  std::vector<size_t> items = {};  // of each segment; of a query its first one
  // Of each item, in the order of the model's input, its places in `segments`.
  std::vector<std::vector<size_t>> of_item = {};

  size_t add(PlacedSegment segment, size_t item) {
    segment.example = segments.size();  // for TooLong
    segments.push_back(std::move(segment));
    items.push_back(item);
    return segments.size() - 1;
  }
};

}  // namespace

// Throughout, the first segment is not stored: queries do not come again.
Outputs JobWindow::valued_outputs(std::vector<std::vector<int32_t>>& truncated) {
  const TokenizeOptions options = predictor_.tokenize_options();
  Placed placed;
  std::map<size_t, size_t> queries;  // by job: places in placed.segments
  for (size_t i = 0; i < items_.size(); ++i) {
    const Job& job = jobs_[items_[i].job];
    std::vector<size_t>& places = placed.of_item.emplace_back();
    if (job.kind == Job::Kind::kExamples) {
      for (PlacedSegment& segment :
           placed_segments({&job.examples[items_[i].document], 1}, options)) {
        segment.is_stored = segment.segment != 0;
        places.push_back(placed.add(std::move(segment), i));
      }
      continue;
    }
    auto query = queries.find(items_[i].job);
    if (query == queries.end()) {
      PlacedSegment segment = placed_texts({&job.query, 1}, 0, options).front();
      segment.is_stored = false;
      query = queries.emplace(items_[i].job, placed.add(std::move(segment), i)).first;
    }
    const std::string one = text_of(items_[i]);
    const size_t text = placed.add(placed_texts({&one, 1}, 1, options).front(), i);
    places = placed.segments[text].is_first ? std::vector{text, query->second}
                                            : std::vector{query->second, text};
  }
  std::vector<std::shared_ptr<const SegmentValue>> values;
  try {
    values = predictor_.values()->of(placed.segments);
  } catch (const TooLong& error) {
    const Item& item = items_[placed.items[error.example]];
    const bool is_query =
        jobs_[item.job].kind == Job::Kind::kPairs && placed.segments[error.example].segment == 0;
    throw TooLong(is_query ? "query" : "document", is_query ? kQueryText : item.document,
                  error.problem);
  }
  std::vector<ValuedExample> examples(items_.size());
  truncated.resize(items_.size());
  for (size_t i = 0; i < items_.size(); ++i) {
    const Job& job = jobs_[items_[i].job];
    if (job.kind == Job::Kind::kExamples)
      examples[i].groups = job.examples[items_[i].document].groups;
    for (const size_t place : placed.of_item[i]) {
      if (values[place]->truncated) truncated[i].push_back(placed.segments[place].segment);
      examples[i].segments.push_back(values[place]);
    }
  }
  return *outputs_of_values(predictor_.model(), predictor_.values()->plan(), options.layout,
                            examples);
}

Outputs JobWindow::outputs(std::vector<std::vector<int32_t>>& truncated, int64_t batch_size) {
  std::vector<Example> examples;
  for (const Item& item : items_) examples.push_back(example_of(item));
  const Dataset dataset = [&] {
    try {
      return predictor_.tokenize(examples);
    } catch (const TooLong& error) {
      throw TooLong("document", items_[error.example].document, error.problem);
    }
  }();
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const auto of_example = dataset.example(i).truncated;
    truncated.emplace_back(of_example.begin(), of_example.end());
  }
  return *predictor_.outputs(dataset, {.batch_size = batch_size});
}

void JobWindow::predict(std::span<JobResult> results, int64_t batch_size) {
  std::vector<std::vector<int32_t>> truncated;
  const Outputs outputs = predictor_.values() == nullptr ? this->outputs(truncated, batch_size)
                                                         : valued_outputs(truncated);
  std::vector<Prediction> predictions = predictor_.model()->head->predict(outputs);
  const float* logits = predictor_.spec().head == HeadKind::kRelevance
                            ? outputs.values.const_data_ptr<float>()
                            : nullptr;
  for (size_t i = 0; i < items_.size(); ++i) {
    JobResult& result = results[items_[i].job];
    result.predictions.push_back(std::move(predictions[i]));
    result.truncated.push_back(std::move(truncated[i]));
    if (logits != nullptr) result.logits.push_back(logits[i]);
  }
}

std::string JobWindow::text_of(const Item& item) const {
  const Job& job = jobs_[item.job];
  const std::string& text = job.texts[item.document];
  const auto most = job.max_text_tokens;
  // Beyond that the checkpoint cuts.
  if (!most || *most >= predictor_.spec().max_segment_tokens) return text;
  return std::string(first_tokens(text, predictor_.tokenizer(), *most));
}

Example JobWindow::example_of(const Item& item) const {
  const Job& job = jobs_[item.job];
  if (job.kind == Job::Kind::kExamples) return job.examples[item.document];
  return {.segments = {job.query, text_of(item)}};
}

}  // namespace lait
