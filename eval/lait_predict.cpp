// lait-predict: predicts labels and scores for JSON lines.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>

#include "eval/answers_object.h"
#include "eval/cache_options.h"
#include "eval/checkpoints.h"
#include "eval/options.h"
#include "eval/predict_lines.h"
#include "eval/predict_pairs.h"
#include "lait/base/error.h"
#include "lait/base/manual.h"
#include "lait/base/program.h"
#include "lait/base/signals.h"
#include "lait/base/terminal.h"
#include "lait/base/text_output.h"
#include "lait/config/enum_names.h"
#include "lait/data/example_reader.h"
#include "lait/model/generate.h"
#include "lait/model/head.h"
#include "lait/model/initialize.h"

namespace {

using namespace lait;

struct GreedyOptions {
  bool generate = false;
  int64_t most = GenerateOptions().max_tokens;

  void add_to(CLI::App& app) {
    auto* flag = app.add_flag("--generate", generate,
                              "write the decoder's own text (greedy decoding) instead of ranking "
                              "the labels")
                     ->excludes("--answers");
    app.add_option("--max-new-tokens", most, "of a text of --generate")
        ->option_text("N")
        ->check(CLI::Range(1, 4096))
        ->capture_default_str()
        ->needs(flag);
  }
  std::optional<int64_t> max_new_tokens(const ModelSpec& spec) const {
    if (!generate) return std::nullopt;
    if (!find_head(spec.head).needs_decoder)
      throw UserError("--generate: the checkpoint's head is " + to_string(spec.head) +
                      ", which writes no texts; leave it out");
    return most;
  }
};

void use_store(Predictor& predictor, CacheOptions& cache) {
  if (!cache.dir.empty()) predictor.use_store(cache.open(predictor, "lait-predict"));
}

// Says what was found, and what else computed it.
void report(Predictor& predictor, const CacheOptions& cache, bool quiet) {
  if (cache.dir.empty()) return;
  const SegmentValues::Counts& counts = predictor.values()->counts();
  if (!quiet) {
    show(fmt::format("lait-predict: {} segments from {}, {} computed\n", counts.found, cache.dir,
                     counts.computed));
  }
  cache.report(predictor, "lait-predict");
}

// Options of many against few.
struct PairsArguments {
  std::vector<std::string> files;
  PairsOptions options;

  void add_to(CLI::App& app) {
    auto* pairs = app.add_option("--pairs", files,
                                 "instead of --input: every text of the first file with every text "
                                 "of the second, each a line {\"text\": \"…\"} or a JSON string");
    pairs->option_text("CLAIMS PASSAGES")
        ->expected(2)
        ->excludes("--input")
        ->excludes("--generate")
        ->excludes("--answers");
    app.add_option("--top", options.top, "passages that are written for each claim")
        ->option_text("K")
        ->check(CLI::Range(1, 1000000))
        ->capture_default_str()
        ->needs(pairs);
    app.add_option("--score", options.score_label,
                   "of a classifier: the label whose probability is the score of a pair")
        ->option_text("LABEL")
        ->needs(pairs);
  }
  int64_t run(Predictor& predictor, TextOutput& out, bool quiet) {
    if (files[0] == "-" && files[1] == "-")
      throw UserError("--pairs: expected standard input for one of the files, got it for both");
    if (predictor.values() == nullptr) predictor.use_store({});
    if (!quiet) {
      options.on_progress = [](int64_t pairs) {
        show(fmt::format("{}lait-predict: {} pairs{}", redraws_lines() ? "\r" : "", pairs,
                         redraws_lines() ? "" : "\n"));
      };
    }
    const int64_t pairs = predict_pairs(predictor, open_texts(files[0]), open_texts(files[1]),
                                        options, [&](std::string_view text) { out.write(text); });
    if (!quiet && redraws_lines()) show("\n");
    return pairs;
  }
};

// The output must not replace the input, and plain text must not be named .gz.
void check_output(const std::string& input, const std::string& output) {
  std::error_code error;
  if (std::filesystem::is_regular_file(output, error) &&
      std::filesystem::equivalent(input, output, error)) {
    throw UserError("--output " + output +
                    ": is the input, which would be replaced; name another file");
  }
  if (std::filesystem::path(output).extension() == ".gz")
    throw UserError("--output " + output + ": plain text is written; leave out .gz");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"predicts labels and scores for the examples of a file", "lait-predict"};
  std::string dir, input, output;
  bool answers = false;
  GreedyOptions greedy;
  CacheOptions cache;
  PairsArguments pairs;
  ModelOptions options;
  app.add_option("--checkpoint", dir, "a checkpoint, or a run directory (its best/)")
      ->option_text("DIR");
  app.add_option("--input", input, "JSON lines, TSV or CSV, plain or gzip; - for standard input")
      ->option_text("FILE");
  app.add_option(
         "--output", output,
         "file for the predictions, written completely or not at all (default: standard output)")
      ->option_text("FILE");
  app.add_flag("--answers", answers,
               "write one JSON object {id: answer} instead of lines, for SQuAD's official script");
  greedy.add_to(app);
  cache.add_to(app);
  app.get_option("--cache")->excludes("--generate");
  app.get_option("--cache-type")->needs("--cache");
  pairs.add_to(app);
  options.add_to(app);
  set_manual(
      app,
      {.synopsis = std::string("--checkpoint DIR (--input FILE | --pairs CLAIMS PASSAGES [--top K] "
                               "[--score LABEL]) [--output FILE] [--answers] "
                               "[--generate [--max-new-tokens N]] [--cache DIR [--exact] "
                               "[--cache-type auto|fp32|bf16|int8]] ") +
                   ModelOptions::synopsis(),
       .description =
           "The input has {\"segments\": [\"…\", \"…\"]} lines, or is a file as the training's "
           "were, with labels (which are not read) or without. Each example gives one output "
           "line, in the same order: {\"label\": …, \"scores\": {label: probability, …}}, or "
           "{\"score\": …} for a regression or relevance, or {\"answer\": \"…\", \"start\": …, "
           "\"end\": …, "
           "\"score\": …, \"no_answer\": …} for questions about a passage: the answer is the "
           "passage's characters from start to end, or \"\" if it has none, that is, if no_answer "
           "is above the checkpoint's no_answer_threshold. With --generate it is {\"text\": …}. "
           "Other fields of the input, such as an "
           "id, are "
           "copied before them, one with a prediction's name as input_NAME. Where the text was "
           "too long, \"truncated\" lists the segments (from 0) that lost tokens. With --cache, "
           "segments that the store has are neither tokenized nor computed up to the join; the "
           "predictions are the same. With --pairs each claim gives a line {\"id\": …, "
           "\"matches\": [{\"passage\": …, \"score\": …}, …]}, the best first; a passage is "
           "named by its \"id\" or its number from 0; each text is computed once. Each time that "
           "no more input is waiting, all predictions so far are written: another process can "
           "write a line to a pipe and read the answer.",
       .environment = compute_environment(),
       .files = {{"DIR/best/lait.yaml", "how the checkpoint reads texts"}},
       .examples =
           "lait-predict --checkpoint runs/sick --input pairs.jsonl --output predictions.jsonl\n"
           "echo '{\"segments\": [\"A man sleeps.\", \"Somebody is asleep.\"]}' | lait-predict "
           "--checkpoint runs/sick --input -"});
  return run_program(app, argc, argv, [&] {
    initialize_numerics();
    exit_on_signals();
    if (dir.empty())
      throw UserError("--checkpoint: expected a checkpoint or a run directory; see --help");
    if (input.empty() && pairs.files.empty())
      throw UserError(
          "--input: expected a file of JSON lines, or - for standard input; see --help");
    options.apply();
    const std::vector<Checkpoint> checkpoints = find_checkpoints(dir).checkpoints;
    if (checkpoints.size() > 1) {
      throw UserError(dir + ": expected one checkpoint, got a folder of " +
                      std::to_string(checkpoints.size()) + " runs; name one, e.g. " +
                      checkpoints.front().dir.parent_path().string());
    }
    const bool from_stdin = input == "-";
    check_output(input, output);
    if (!pairs.files.empty()) {
      for (const std::string& file : pairs.files) check_output(file, output);
      Predictor predictor =
          Predictor::load(checkpoints.front().dir, options.precision(), options.device());
      use_store(predictor, cache);
      TextOutput out(output);
      pairs.run(predictor, out, options.quiet);
      out.finish();
      report(predictor, cache, options.quiet);
      return kExitOk;
    }
    LineReader reader = from_stdin
                            ? LineReader(STDIN_FILENO, "standard input")
                            : open_lines(find_task(read_spec(checkpoints.front().dir).task), input);
    Predictor predictor =
        Predictor::load(checkpoints.front().dir, options.precision(), options.device());
    use_store(predictor, cache);
    TextOutput out(output);
    AnswersObject object([&](std::string_view text) { out.write(text); });
    const PredictedLines counts = predict_lines(
        predictor, std::move(reader),
        {.batch_size = options.batch_size, .should_stop = {}, .on_progress = {}},
        [&](std::string_view text) { answers ? object.add(text) : out.write(text); },
        greedy.max_new_tokens(predictor.spec()));
    if (counts.lines == 0 && !from_stdin)
      throw UserError(input + ": expected lines to predict, got " + counts.found_instead);
    if (answers) object.finish();
    out.finish();
    report(predictor, cache, options.quiet);
    if (counts.blank_lines > 0)
      show(fmt::format("lait-predict: {} blank lines have no prediction\n", counts.blank_lines));
    // Also with --quiet: text that a prediction did not see is always reported.
    if (counts.truncated > 0) {
      show(fmt::format(
          "lait-predict: {} of {} examples truncated (the checkpoint takes {} tokens)\n",
          counts.truncated, counts.lines, predictor.spec().max_segment_tokens));
    }
    for (const std::string& field : counts.renamed) {
      show(fmt::format("lait-predict: the input's field \"{0}\" is carried as \"input_{0}\"\n",
                       field));
    }
    return kExitOk;
  });
}
