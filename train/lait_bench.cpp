// lait-bench: benchmarks of the tokenizer, of segment attention, of training steps and of
// predictions against their peers.
#include <CLI/CLI.hpp>
#include <iterator>

#include "eval/bench/bench_attention.h"
#include "eval/bench/bench_tokenizer.h"
#include "eval/options.h"
#include "kernels/segment_attention.h"
#include "lait/base/manual.h"
#include "lait/base/program.h"
#include "lait/config/read.h"
#include "lait/model/initialize.h"
#include "train/bench_cache.h"
#include "train/bench_model.h"
#include "train/bench_serve.h"

namespace {
// Segment lengths of MNLI and BoolQ. The file is found like the shipped configs.
constexpr const char* kShippedLengths = "bench_lengths.txt";

// Options of train-step and predict.
CLI::App* add_model_bench(CLI::App& app, const char* name, const char* description,
                          lait::ModelBench& bench, std::vector<std::string>& set) {
  auto* command = app.add_subcommand(name, description);
  command->add_option("--config", bench.config, "YAML file, or the name of a shipped config")
      ->option_text("FILE|NAME")
      ->required();
  command
      ->add_option("--set", set, "overrides the config; KEY= goes back to the default; repeatable")
      ->option_text("KEY=VALUE")
      ->take_all();
  command
      ->add_option("--independent-layers", bench.independent_layers,
                   "measure these P (default: 0 to the number of layers)")
      ->option_text("P,...")
      ->delimiter(',');
  command->add_flag("--unshared", bench.unshared,
                    "also measure batches in which a segment is encoded once for each example");
  if (!bench.predicts) {
    command->add_flag("--from-store", bench.from_store,
                      "freeze embeddings and independent layers, and also measure steps whose "
                      "states of these come from a store (cache.dir)");
  }
  command
      ->add_option("--python", bench.python,
                   "a Python with transformers, whose stock model is measured at P = 0")
      ->option_text("PATH");
  command->add_option("--steps", bench.steps, "batches of an epoch, evenly spaced by length")
      ->option_text("N")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command->add_option("--milliseconds", bench.max_milliseconds, "time for each measurement")
      ->option_text("MS")
      ->check(CLI::Range(1., 1e9))
      ->capture_default_str();
  command->add_option("--json", bench.json, "also write the results to this file")
      ->option_text("FILE");
  lait::set_manual(
      *command,
      {.synopsis = std::string("--config FILE|NAME [--set KEY=VALUE]... "
                               "[--independent-layers P,...] [--unshared] ") +
                   (bench.predicts ? "" : "[--from-store] ") +
                   "[--python PATH] [--steps N] [--milliseconds MS] [--json FILE]",
       .description =
           "What is measured takes turns, on the config's training data. Packing of the batches is "
           "part of the time; in training it overlaps with the step before. transformers runs the "
           "fastest of its own variants (fp32 or bf16, greedy decoding or ranking of labels). \"Of "
           "the GEMM rate\" are the model's FLOP/s beside those of its widest product alone; "
           "activations are what forward keeps for backward on the largest batch, of lait as "
           "estimated; the peak is that of the process.",
       .environment = lait::compute_environment(),
       .examples = std::string("lait-bench ") + name +
                   " --config multirc_split11 --unshared --set model.path=all-MiniLM-L6-v2"});
  return command;
}

// Options of cache and serve: at their beginning, and at their end.
void add_rerank_texts(CLI::App& command, lait::RerankBench& bench, const char* without_checkpoint,
                      const char* passages) {
  command
      .add_option("--checkpoint", bench.checkpoint,
                  std::string("a model with standalone segments (default: MiniLM with a random "
                              "head") +
                      without_checkpoint + ")")
      ->option_text("DIR");
  command
      .add_option("--passages", bench.passages,
                  "lines {\"text\": \"…\"} or JSON strings (default: WordNet's glosses, of "
                  "BoolQ's lengths)")
      ->option_text("FILE");
  command.add_option("--num-passages", bench.num_passages, passages)
      ->option_text("N")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
}

void add_rerank_machine(CLI::App& command, lait::RerankBench& bench, const char* threads) {
  command.add_option("--precision", bench.precision, "compute precision")
      ->check(CLI::IsMember(std::vector<std::string>{"auto", "bf16", "fp32"}))
      ->capture_default_str();
  command.add_option("--threads", bench.threads, threads)
      ->option_text("N")
      ->check(CLI::Range(0, lait::kMaxThreads))
      ->capture_default_str();
  command.add_option("--json", bench.json, "also write the results to this file")
      ->option_text("FILE");
}

CLI::App* add_cache_bench(CLI::App& app, lait::CacheBench& bench) {
  auto* command = app.add_subcommand(
      "cache", "a new claim against 1000 stored passages, at each P and one-sided");
  add_rerank_texts(*command, bench, "", "passages");
  command->add_option("--claims", bench.claims, "claims, each measured once; p99 from 100 on")
      ->option_text("N")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command
      ->add_option("--python", bench.python, "a Python with transformers, which is measured, too")
      ->option_text("PATH");
  add_rerank_machine(*command, bench, "CPU threads; 0: one for each core");
  lait::set_manual(
      *command,
      {.synopsis = "[--checkpoint DIR] [--passages FILE] [--num-passages N] [--claims N] "
                   "[--python PATH] [--precision auto|bf16|fp32] [--threads N] [--json FILE]",
       .description =
           "The clock runs from texts to scores: tokenizing of the claim, finding the passages by "
           "their text, checksums, the joint layers. Scores are compared with those without a "
           "store, to the bit. transformers tokenizes each pair, sorts them by length and pads "
           "them, in the faster of fp32 and bf16.",
       .environment = lait::compute_environment(),
       .examples = "lait-bench cache --python venv/bin/python --json cache.json"});
  return command;
}

CLI::App* add_serve_bench(CLI::App& app, lait::ServeBench& bench) {
  auto* command =
      app.add_subcommand("serve", "lait-serve under load, with and without kept segments");
  add_rerank_texts(*command, bench, ", at three schedules",
                   "passages, of which a request has some");
  const auto number = [&](const char* name, int64_t& value, const char* help, int64_t least) {
    command->add_option(name, value, help)
        ->option_text("N")
        ->check(CLI::Range(least, int64_t{1000000}))
        ->capture_default_str();
  };
  number("--clients", bench.load.clients, "requests at once", 1);
  number("--documents", bench.load.documents, "passages of a request, by Zipf's law", 1);
  command->add_option("--seconds", bench.load.seconds, "how long each server is asked")
      ->option_text("S")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  number("--malformed", bench.malformed, "malformed requests to each server with kept segments", 0);
  add_rerank_machine(*command, bench, "the server's; 0: one for each core");
  lait::set_manual(
      *command,
      {.synopsis = "[--checkpoint DIR] [--passages FILE] [--num-passages N] [--clients N] "
                   "[--documents N] [--seconds S] [--malformed N] [--precision auto|bf16|fp32] "
                   "[--threads N] [--json FILE]",
       .description =
           "Starts lait-serve on this machine, which the clients share with it. With kept segments "
           "all passages are registered before the clock starts, and a store is used; without, "
           "each request is computed from its texts. MB: what the server has in RAM after a third "
           "of the time, and at the end. A request that fails, and a malformed one that is not "
           "refused with 4xx, end the benchmark.",
       .environment = lait::compute_environment(),
       .examples = "lait-bench serve --seconds 20 --json serve.json"});
  return command;
}
}  // namespace

int main(int argc, char** argv) {
  using namespace lait;
  CLI::App app{
      "measures the speed of the tokenizer, of segment attention, of training and of prediction",
      "lait-bench"};
  app.require_subcommand(1);
  set_manual(app,
             {.synopsis = "tokenizer [OPTION]...\nattention [OPTION]...\ntrain-step [OPTION]...\n"
                          "predict [OPTION]...\ncache [OPTION]...\nserve [OPTION]...",
              .description = "Prints a table, and writes JSON with --json. `lait-bench "
                             "COMMAND --help` lists a command's options.",
              .environment = compute_environment()});
  std::string model = "all-MiniLM-L6-v2", text = "/usr/share/wordnet/data.noun", json;
  auto* tokenizer = app.add_subcommand("tokenizer", "WordPiece on one core: MB/s and tokens/s");
  tokenizer->add_option("--model", model, "model with the vocabulary")
      ->option_text("DIR|NAME")
      ->capture_default_str();
  tokenizer->add_option("--text", text, "text file, one text per line")
      ->option_text("FILE")
      ->capture_default_str();
  tokenizer->add_option("--json", json, "also write the results to this file")->option_text("FILE");
  set_manual(*tokenizer,
             {.synopsis = "[--model DIR|NAME] [--text FILE] [--json FILE]",
              .description = "tests/oracles/tokenizer_bench.py compares it with the Rust library.",
              .environment = hub_environment(),
              .examples = "lait-bench tokenizer --text corpus.txt"});
  AttentionBench attention;
  std::string lengths = kShippedLengths;
  auto* attend = app.add_subcommand("attention",
                                    "segment attention against scaled_dot_product_attention: "
                                    "padded, with a block mask, unit by unit");
  attend
      ->add_option("--lengths", lengths,
                   "file of lines \"name n1 n2\", the segment lengths of an example")
      ->option_text("FILE")
      ->capture_default_str();
  attend->add_option("--head-dim", attention.head_dims, "head dimensions: 32, 64, 128")
      ->option_text("D...")
      ->check(CLI::IsMember(
          std::vector<int64_t>(std::begin(kernels::kHeadDims), std::end(kernels::kHeadDims))))
      ->capture_default_str();
  attend->add_option("--dtype", attention.dtypes, "bf16, fp32")
      ->option_text("TYPE...")
      ->capture_default_str();
  attend->add_option("--heads", attention.heads, "number of heads")
      ->option_text("N")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  attend->add_option("--batch", attention.batch, "examples per batch, sorted by length")
      ->option_text("N")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  std::string device = "cpu";
  attend->add_option("--device", device, "cpu, or cuda, which adds FlashAttention-2 as a peer")
      ->option_text("cpu|cuda")
      ->check(CLI::IsMember(std::vector<std::string>{"cpu", "cuda"}))
      ->capture_default_str();
  attend
      ->add_option("--threads", attention.threads,
                   "threads; 0: one for each core that the process may use")
      ->option_text("N")
      ->check(CLI::Range(0, kMaxThreads))
      ->capture_default_str();
  attend->add_option("--milliseconds", attention.max_milliseconds, "time for each measurement")
      ->option_text("MS")
      ->check(CLI::Range(0.001, 1e6))
      ->capture_default_str();
  attend->add_option("--json", attention.json, "also write the results to this file")
      ->option_text("FILE");
  set_manual(
      *attend,
      {.synopsis = "[--lengths FILE] [--head-dim D...] [--dtype TYPE...] [--heads N] [--batch N] "
                   "[--device cpu|cuda] [--threads N] [--milliseconds MS] [--json FILE]",
       .description =
           "The default file has the lengths of MNLI and BoolQ; it is shipped with the configs.",
       .environment = compute_environment(),
       .examples = "lait-bench attention --dtype fp32"});
  ModelBench train_step, predict{.predicts = true};
  std::vector<std::string> set_train_step, set_predict;
  const auto* steps =
      add_model_bench(app, "train-step",
                      "training steps at each P: segments that examples share encoded once or not",
                      train_step, set_train_step);
  const auto* predictions =
      add_model_bench(app, "predict", "predictions at each P, likewise", predict, set_predict);
  CacheBench cache;
  const auto* caches = add_cache_bench(app, cache);
  ServeBench serve;
  serve.program = sibling_program(argv[0], "lait-serve");
  const auto* serves = add_serve_bench(app, serve);
  return run_program(app, argc, argv, [&] {
    initialize_numerics();
    if (caches->parsed()) return bench_cache(cache);
    if (serves->parsed()) return bench_serve(serve);
    train_step.overrides = to_overrides(set_train_step);
    predict.overrides = to_overrides(set_predict);
    if (steps->parsed()) return bench_model(train_step);
    if (predictions->parsed()) return bench_model(predict);
    if (tokenizer->parsed()) return bench_tokenizer(find_model(model, "--model"), text, json);
    attention.lengths =
        lengths == kShippedLengths ? find_config(lengths, "--lengths").string() : lengths;
    if (device == "cuda") attention.device = DeviceKind::kCuda;
    return bench_attention(attention);
  });
}
