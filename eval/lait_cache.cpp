// lait-cache: fills, counts, checks and shrinks stores of segments.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "eval/cache_build.h"
#include "eval/cache_options.h"
#include "eval/checkpoints.h"
#include "eval/options.h"
#include "eval/store_faults.h"
#include "lait/base/error.h"
#include "lait/base/manual.h"
#include "lait/base/program.h"
#include "lait/base/signals.h"
#include "lait/base/terminal.h"
#include "lait/cache/upkeep.h"
#include "lait/data/example_reader.h"
#include "lait/model/initialize.h"
#include "lait/ranks/launcher.h"

namespace {

using namespace lait;
using Clock = std::chrono::steady_clock;

struct Build {
  std::string checkpoint, cache, input, texts;
  uint64_t max_bytes = 0;
  CacheTypeOption type;
  ModelOptions model;
};

double ratio(int64_t a, double b) { return b > 0 ? static_cast<double>(a) / b : 0; }

std::string progress_line(const SegmentValues::Counts& counts, double seconds) {
  const int64_t all = counts.found + counts.computed;
  return fmt::format(
      "{} distinct segments, {} of them stored before ({:.1f} %), {} computed; {:.0f} segments/s, "
      "{:.1f} MB",
      all, counts.found, 100 * ratio(counts.found, static_cast<double>(all)), counts.computed,
      ratio(all, seconds), static_cast<double>(counts.computed_bytes) / 1e6);
}

int build(const Build& options) {
  initialize_numerics();
  catch_signals();
  options.model.apply();
  const RankPlace place = find_place();
  Predictor predictor =
      Predictor::load(options.checkpoint, options.model.precision(), options.model.device());
  const auto store = std::make_shared<SegmentStore>(
      options.cache,
      StoreWriteOptions{.made_by = made_here(predictor.model()), .max_bytes = options.max_bytes});
  predictor.use_store({.store = store, .type = options.type.type()});
  const bool texts = !options.texts.empty();
  const std::string& file = texts ? options.texts : options.input;
  LineReader reader = file == "-" ? LineReader(STDIN_FILENO, "standard input")
                      : texts     ? LineReader(file)
                                  : open_lines(find_task(predictor.spec().task), file);
  const auto began = Clock::now();
  auto last = began;
  const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - began).count(); };
  const int64_t lines =
      build_cache(predictor, std::move(reader),
                  {.texts = texts,
                   .part = place.rank,
                   .num_parts = place.size,
                   .should_stop = [] { return stop_signal() != 0; },
                   .on_progress =
                       [&](const SegmentValues::Counts& counts) {
                         if (options.model.quiet || Clock::now() - last < std::chrono::seconds(1))
                           return;
                         last = Clock::now();
                         show((redraws_lines() ? "\r\033[K" : "") +
                              progress_line(counts, seconds()) + (redraws_lines() ? "" : "\n"));
                       }});
  if (redraws_lines() && last != began) show("\r\033[K");
  const SegmentValues::Counts& counts = predictor.values()->counts();
  if (lines == 0 && stop_signal() == 0)
    throw UserError(file + ": expected segments, got a file without lines");
  fmt::print("{}: {}\n", options.cache, progress_line(counts, seconds()));
  if (counts.computed > 0) {
    fmt::print("  computed: {:.1f} tokens and {:.1f} kB a segment, {:.0f} bytes a token\n",
               ratio(counts.computed_tokens, static_cast<double>(counts.computed)),
               ratio(counts.computed_bytes, static_cast<double>(counts.computed)) / 1e3,
               ratio(counts.computed_bytes, static_cast<double>(counts.computed_tokens)));
  }
  show_faults("lait-cache", *store);
  if (place.size > 1) fmt::print("  part {} of {}\n", place.rank + 1, place.size);
  return stop_signal() != 0 ? 128 + stop_signal() : kExitOk;
}

// What a store has of a type of values.
struct TypeStat {
  int64_t values = 0, tokens = 0, bytes = 0;
};

int stat(const std::string& dir) {
  std::map<std::string, TypeStat> types;
  const StoreStat found = stat_store(dir, [&](std::span<const std::byte> payload) {
    const std::optional<ValueSummary> value = summary_of(payload);
    if (!value) return;
    TypeStat& of_type = types[value->type ? to_string(*value->type) : "auto"];
    ++of_type.values;
    of_type.tokens += value->rows;
    of_type.bytes += std::ssize(payload);
  });
  fmt::print("{}: {} records in {} files, {:.1f} MB\n", dir, found.records, found.files,
             static_cast<double>(found.bytes) / 1e6);
  if (found.unusable_files > 0) fmt::print("  {} files cannot be used\n", found.unusable_files);
  if (found.torn_bytes > 0) fmt::print("  {} bytes are of no whole record\n", found.torn_bytes);
  for (const auto& [type, has] : types) {
    fmt::print("  {}: {} values of {} tokens, {:.0f} bytes a token\n", type, has.values, has.tokens,
               ratio(has.bytes, static_cast<double>(has.tokens)));
  }
  for (const auto& [made_by, bytes] : found.bytes_by_made_by)
    fmt::print("  {:.1f} MB by {}\n", static_cast<double>(bytes) / 1e6, made_by);
  return kExitOk;
}

int verify(const std::string& dir) {
  const StoreCheck check = verify_store(dir);
  for (const StoreFault& fault : check.faults)
    fmt::print("{}: byte {}: {}\n", fault.file.string(), fault.offset, fault.what);
  fmt::print("{}: {} whole records, {} faults\n", dir, check.records, check.faults.size());
  if (check.faults.empty()) return kExitOk;
  throw UserError(dir +
                  ": damaged; values that are damaged are computed again, and `lait-cache "
                  "prune` drops files");
}

int prune(const std::string& dir, uint64_t max_bytes) {
  const PruneResult done = prune_store(dir, max_bytes);
  fmt::print("{}: dropped {} files, {:.1f} MB; {:.1f} MB are left\n", dir, done.files,
             static_cast<double>(done.bytes) / 1e6, static_cast<double>(done.bytes_left) / 1e6);
  return kExitOk;
}

CLI::App* add_command(CLI::App& app, const char* name, const char* what, std::string& dir) {
  auto* command = app.add_subcommand(name, what);
  command->add_option("--cache", dir, "folder of the store")->option_text("DIR")->required();
  return command;
}

CLI::Option* add_bytes(CLI::App& command, uint64_t& bytes, const char* what) {
  return command.add_option("--max-bytes", bytes, what)
      ->option_text("N[KB|MB|GB]")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true));
}

CLI::App* add_build(CLI::App& app, Build& options) {
  auto* command = add_command(app, "build", "computes a file's segments ahead", options.cache);
  command
      ->add_option("--checkpoint", options.checkpoint,
                   "a checkpoint, or a run directory (its best/)")
      ->option_text("DIR")
      ->required();
  auto* input = command->add_option("--input", options.input,
                                    "examples as lait-predict takes them; - for standard input");
  input->option_text("FILE");
  command
      ->add_option("--texts", options.texts,
                   "instead: lines {\"text\": \"…\"} or JSON strings, passages each; - for "
                   "standard input")
      ->option_text("FILE")
      ->excludes(input);
  add_bytes(*command, options.max_bytes, "drop the oldest files beyond this; 0: no limit")
      ->capture_default_str();
  options.type.add_to(*command);
  options.model.add_to(*command);
  set_manual(
      *command,
      {.synopsis = std::string("--checkpoint DIR --cache DIR (--input FILE | --texts FILE) "
                               "[--max-bytes N] ") +
                   CacheTypeOption::synopsis() + " " + ModelOptions::synopsis(),
       .description =
           "Computes what each distinct segment of the file becomes before it meets others, unless "
           "the store has it. Values are found by the segment's text and a hash of all that they "
           "are computed with, so one store serves several checkpoints, and a checkpoint whose "
           "lower layers changed finds nothing stale. A process that is stopped keeps what it "
           "committed (each 1024 lines). Under torchrun, mpirun or srun each process takes its "
           "part of the lines and writes files of its own; stores of several machines are merged "
           "by copying their files into one folder.",
       .environment = compute_environment(),
       .examples = "lait-cache build --checkpoint runs/ranking --cache cache --texts "
                   "passages.jsonl\n"
                   "lait-predict --checkpoint runs/ranking --cache cache --input pairs.jsonl"});
  return command;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"fills, counts, checks and shrinks stores of segments", "lait-cache"};
  app.require_subcommand(1);
  set_manual(app, {.synopsis = "build [OPTION]...\nstat --cache DIR\nverify --cache DIR\n"
                               "prune --cache DIR --max-bytes N",
                   .description = "`lait-cache COMMAND --help` lists a command's options."});
  Build build_options;
  std::string dir;
  uint64_t max_bytes = 0;
  const auto* build_command = add_build(app, build_options);
  auto* stat_command = add_command(app, "stat", "what a store holds", dir);
  set_manual(*stat_command,
             {.synopsis = "--cache DIR",
              .description = "Files, records, bytes, the values of each type (\"auto\": of an "
                             "earlier version), and what computed them.",
              .examples = "lait-cache stat --cache cache"});
  auto* verify_command = add_command(app, "verify", "reads all of a store", dir);
  set_manual(*verify_command,
             {.synopsis = "--cache DIR",
              .description = "Compares every checksum, and names each damaged record with its file "
                             "and place. Exits with 2 if there is one.",
              .examples = "lait-cache verify --cache cache"});
  auto* prune_command = add_command(app, "prune", "drops the oldest files of a store", dir);
  add_bytes(*prune_command, max_bytes, "what may stay")->required();
  set_manual(*prune_command,
             {.synopsis = "--cache DIR --max-bytes N",
              .description = "Files that a process is writing stay. Processes that read the store "
                             "keep what they have opened.",
              .examples = "lait-cache prune --cache cache --max-bytes 20GB"});
  return run_program(app, argc, argv, [&] {
    if (*build_command) {
      if (build_options.input.empty() && build_options.texts.empty())
        throw UserError("lait-cache build: expected --input or --texts, got neither; see --help");
      return build(build_options);
    }
    exit_on_signals();
    if (*stat_command) return stat(dir);
    if (*verify_command) return verify(dir);
    return prune(dir, max_bytes);
  });
}
