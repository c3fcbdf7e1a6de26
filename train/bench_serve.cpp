#include "train/bench_serve.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <vector>

#include "eval/bench/bench.h"
#include "eval/bench/http_client.h"
#include "eval/table.h"
#include "lait/base/error.h"
#include "lait/base/terminal.h"
#include "lait/model/threads.h"
#include "train/malformed_requests.h"
#include "train/rerank_texts.h"
#include "train/reranker.h"

namespace lait {
namespace {

namespace fs = std::filesystem;

// More than a load asks for: no query is answered from memory as a whole.
constexpr int64_t kQueries = 20000;
constexpr size_t kRegisteredAtOnce = 500;
constexpr double kMegabyte = 1e6;

struct Served {
  std::string name;
  fs::path checkpoint;
};

// The checkpoint, or MiniLM at P = L − 1 and L / 2, and one-sided there.
std::vector<Served> models_of(const ServeBench& bench, const fs::path& folder) {
  LoadedModel loaded = load_reranker(bench.checkpoint, bench.precision);
  if (!bench.checkpoint.empty()) return {{"checkpoint", loaded.dir}};
  const int64_t layers = loaded.model->config.num_hidden_layers;
  std::vector<std::pair<std::string, Schedule>> schedules;
  for (const int64_t p : {layers - 1, layers / 2})
    schedules.emplace_back(fmt::format("P={}", p), split_schedule(p, layers));
  schedules.emplace_back(schedules.back().first + " one-sided", schedules.back().second);
  schedules.back().second.back().updates = Updates::kFirst;
  std::vector<Served> out;
  for (const auto& [name, schedule] : schedules) {
    out.push_back({name, folder / std::to_string(out.size())});
    save_reranker(loaded, schedule, out.back().checkpoint);
  }
  return out;
}

// Each text's value, so that it is there when the clock starts.
void register_all(uint16_t port, const std::vector<std::string>& texts) {
  HttpClient client(port);
  for (size_t i = 0; i < texts.size(); i += kRegisteredAtOnce) {
    const size_t end = std::min(texts.size(), i + kRegisteredAtOnce);
    const nlohmann::json request{
        {"texts", std::vector<std::string>(texts.begin() + static_cast<long>(i),
                                           texts.begin() + static_cast<long>(end))}};
    const HttpAnswer answer = client.ask("POST", "/v1/segments", request.dump());
    if (answer.status != 200) throw std::logic_error("/v1/segments: " + answer.body);
  }
}

LoadResult run_case(const ServeBench& bench, const Served& served, bool keeps,
                    const RerankTexts& texts, const fs::path& folder) {
  std::vector<std::string> arguments{
      "--checkpoint", served.checkpoint.string(),   "--quiet", "--precision", bench.precision,
      "--threads",    std::to_string(bench.threads)};
  if (keeps) {
    arguments.insert(arguments.end(), {"--cache", (folder / "store").string()});
  } else {
    arguments.insert(arguments.end(), {"--memory", "0"});
  }
  ServeProcess server(bench.program, arguments);
  if (keeps) register_all(server.port(), texts.passages);
  LoadResult out = run_load(server, bench.load, texts.claims, texts.passages);
  if (out.errors > 0) {
    throw std::logic_error(fmt::format("{}: {} of {} requests failed; the first: {}", served.name,
                                       out.errors, out.milliseconds.size(), out.first_error));
  }
  if (keeps) {
    const NotRefused missed = send_malformed(server.port(), bench.malformed);
    if (missed.count > 0) {
      throw std::logic_error(
          fmt::format("{}: {} of {} malformed requests got no 4xx; the first: {}", served.name,
                      missed.count, bench.malformed, missed.first));
    }
  }
  server.stop();
  return out;
}

}  // namespace

int bench_serve(const ServeBench& bench) {
  set_threads(bench.threads);
  const BenchFolder folder("serve");
  const std::vector<Served> models = models_of(bench, folder.path);
  const RerankTexts texts = rerank_texts(bench.passages, bench.num_passages, kQueries);
  nlohmann::json head = bench_head(at::get_num_threads()), rows = nlohmann::json::array();
  head["clients"] = bench.load.clients;
  head["documents"] = bench.load.documents;
  head["seconds"] = bench.load.seconds;
  head["passages"] = texts.passages.size();
  fmt::print("{}, {}; {} clients, {} of {} documents a request, {} s\n",
             head["cpu"].get<std::string>(), head["version"].get<std::string>(), bench.load.clients,
             bench.load.documents, texts.passages.size(), bench.load.seconds);
  Table table{.header = {"", "requests/s", "times without", "p50 ms", "p99 ms", "MB", "MB at end",
                         "malformed: 4xx"},
              .rows = {},
              .num_text_columns = 1};
  for (const Served& served : models) {
    double without = 0;
    for (const bool keeps : {false, true}) {
      const LoadResult load = run_case(bench, served, keeps, texts, folder.path);
      const Timing timing = timing_of(load.milliseconds);
      const double rate = static_cast<double>(load.milliseconds.size()) / load.seconds;
      if (!keeps) without = rate;
      const std::string name = served.name + (keeps ? " cached" : " uncached");
      nlohmann::json row = bench_row("serve", name, "lait", timing);
      row.erase("repeats");
      row["requests"] = load.milliseconds.size();
      row["requests_per_s"] = rate;
      row["ms_p99"] = quantile(load.milliseconds, 0.99);
      row["rss_bytes"] = {load.rss_begin, load.rss_warm, load.rss_end};
      if (keeps) {
        row["malformed"] = bench.malformed;
        row["ratio_to"] = {{"uncached", rate / without}};
      }
      table.rows.push_back(
          {name, fmt::format("{:.2f}", rate), keeps ? fmt::format("{:.1f}", rate / without) : "",
           fmt::format("{:.1f}", timing.median), fmt::format("{:.1f}", row["ms_p99"].get<double>()),
           fmt::format("{:.0f}", static_cast<double>(load.rss_warm) / kMegabyte),
           fmt::format("{:.0f}", static_cast<double>(load.rss_end) / kMegabyte),
           keeps ? std::to_string(bench.malformed) : ""});
      rows.push_back(std::move(row));
      show(fmt::format("lait-bench: {}: {:.2f} requests/s\n", name, rate));
    }
  }
  fmt::print("{}", format_plain(table));
  write_bench(bench.json, head, rows);
  return 0;
}

}  // namespace lait
