#include "train/rerank_load.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "eval/bench/http_client.h"
#include "train/log_window.h"

namespace lait {
namespace {

// "": it is as it should be.
std::string problem_of(const HttpAnswer& answer, size_t documents) {
  if (answer.status != 200) return fmt::format("{} {}", answer.status, answer.body);
  const auto json = nlohmann::json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_array() || json.size() != documents)
    return fmt::format("expected {} scores, got {}", documents, answer.body.substr(0, 200));
  return "";
}

}  // namespace

ZipfNumbers::ZipfNumbers(size_t size) {
  std::vector<double> weights;
  for (size_t i = 0; i < size; ++i) weights.push_back(1 / static_cast<double>(i + 1));
  draw_ = std::discrete_distribution<size_t>(weights.begin(), weights.end());
}

std::vector<size_t> ZipfNumbers::distinct(size_t count, std::mt19937_64& random) {
  std::vector<size_t> out;
  std::vector<bool> is_drawn(draw_.max() + 1);
  while (out.size() < count) {
    const size_t number = draw_(random);
    if (is_drawn[number]) continue;
    is_drawn[number] = true;
    out.push_back(number);
  }
  return out;
}

LoadResult run_load(const ServeProcess& server, const RerankLoad& load,
                    const std::vector<std::string>& queries,
                    const std::vector<std::string>& documents) {
  const auto per_request = std::min(static_cast<size_t>(load.documents), documents.size());
  LoadResult out;
  std::mutex mutex;  // of out
  std::atomic<size_t> next_query = 0;
  out.rss_begin = server.rss_bytes();
  const double begin = steady_seconds();
  const auto ask = [&](uint64_t seed) {
    HttpClient client(server.port());
    ZipfNumbers numbers(documents.size());
    std::mt19937_64 random(seed);
    while (steady_seconds() - begin < load.seconds) {
      nlohmann::json request{{"query", queries[next_query++ % queries.size()]}};
      for (const size_t number : numbers.distinct(per_request, random))
        request["texts"].push_back(documents[number]);
      request["truncate"] = true;
      const std::string body = request.dump();
      const double asked = steady_seconds();
      std::string problem;
      try {
        problem = problem_of(client.ask("POST", "/rerank", body), per_request);
      } catch (const std::exception& error) {
        problem = error.what();
      }
      const std::lock_guard lock(mutex);
      out.milliseconds.push_back(1000 * (steady_seconds() - asked));
      if (problem.empty()) continue;
      if (out.errors++ == 0) out.first_error = problem;
    }
  };
  {
    std::vector<std::jthread> clients;
    for (int64_t i = 0; i < load.clients; ++i)
      clients.emplace_back(ask, static_cast<uint64_t>(i + 1));
    std::this_thread::sleep_for(std::chrono::duration<double>(load.seconds / 3));
    out.rss_warm = server.rss_bytes();
  }
  out.seconds = steady_seconds() - begin;
  out.rss_end = server.rss_bytes();
  return out;
}

}  // namespace lait
