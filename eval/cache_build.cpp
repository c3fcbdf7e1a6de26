#include "eval/cache_build.h"

#include <exception>
#include <utility>

#include "eval/predict_lines.h"
#include "eval/text_lines.h"
#include "lait/base/error.h"
#include "lait/data/example_reader.h"

namespace lait {
namespace {

// Examples, so that similar lengths meet in a batch.
constexpr int64_t kWindow = 1024;

// An example whose second segment is the line's text; the first one is not used.
std::optional<Example> next_text(TextLines& lines) {
  auto line = lines.next();
  if (!line) return std::nullopt;
  Example example;
  example.segments = {"", std::move(line->text)};
  return example;
}

}  // namespace

int64_t build_cache(Predictor& predictor, LineReader input, const CacheBuildOptions& options) {
  SegmentValues& values = *predictor.values();
  const ModelSpec& spec = predictor.spec();
  const TokenizeOptions tokenizing = predictor.tokenize_options();
  std::vector<Example> window;
  // False if it was told to stop.
  const auto add = [&](std::span<const Example> examples) {
    std::vector<PlacedSegment> segments = placed_segments(examples, tokenizing);
    if (options.texts)
      std::erase_if(segments, [](const PlacedSegment& segment) { return segment.segment == 0; });
    const bool complete = values.add(segments, options.should_stop);
    values.commit();
    if (options.on_progress) options.on_progress(values.counts());
    return complete;
  };
  const auto flush = [&] {
    const std::vector<Example> examples = std::exchange(window, {});
    try {
      return add(examples);
    } catch (const TooLong& error) {
      add(std::span(examples).first(error.example));
      throw UserError(example_name(examples, error.example) + ": " + error.problem);
    }
  };
  std::optional<TextLines> texts;
  std::optional<ExampleReader> examples;
  if (options.texts) {
    texts.emplace(std::move(input));
  } else {
    examples.emplace(find_task(spec.task), std::move(input), reading_for_prediction(spec));
  }
  int64_t lines = 0;
  bool stopped = false;
  std::exception_ptr problem;
  try {
    while (auto example = texts ? next_text(*texts) : examples->next()) {
      stopped = options.should_stop && options.should_stop();
      if (stopped) break;
      check_example(*example, spec);
      if (lines++ % options.num_parts != options.part) continue;
      window.push_back(std::move(*example));
      stopped = std::ssize(window) == kWindow && !flush();
      if (stopped) break;
    }
  } catch (const UserError&) {
    problem = std::current_exception();
  }
  if (!stopped && !window.empty()) flush();
  if (problem) std::rethrow_exception(problem);
  return lines;
}

}  // namespace lait
