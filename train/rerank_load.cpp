#include "train/rerank_load.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "eval/bench/http_client.h"

namespace lait {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

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
  double sum = 0;
  for (size_t i = 0; i < size; ++i) up_to_.push_back(sum += 1 / static_cast<double>(i + 1));
}

std::vector<size_t> ZipfNumbers::distinct(size_t count, std::mt19937_64& random) const {
  std::uniform_real_distribution<double> draw(0, up_to_.back());
  std::vector<size_t> out;
  std::vector<bool> is_drawn(up_to_.size());
  while (out.size() < count) {
    const auto found = std::ranges::upper_bound(up_to_, draw(random));
    const auto number = static_cast<size_t>(found - up_to_.begin());
    if (number == up_to_.size() || is_drawn[number]) continue;
    is_drawn[number] = true;
    out.push_back(number);
  }
  return out;
}

LoadResult run_load(const ServeProcess& server, const RerankLoad& load,
                    const std::vector<std::string>& queries,
                    const std::vector<std::string>& documents) {
  const ZipfNumbers numbers(documents.size());
  const auto per_request = std::min(static_cast<size_t>(load.documents), documents.size());
  LoadResult out;
  std::mutex mutex;  // of out
  std::atomic<size_t> next_query = 0;
  out.rss_begin = server.rss_bytes();
  const Clock::time_point begin = Clock::now();
  const auto ask = [&](uint64_t seed) {
    HttpClient client(server.port());
    std::mt19937_64 random(seed);
    while (seconds_since(begin) < load.seconds) {
      nlohmann::json request{{"query", queries[next_query++ % queries.size()]}};
      for (const size_t number : numbers.distinct(per_request, random))
        request["texts"].push_back(documents[number]);
      request["truncate"] = true;
      const std::string body = request.dump();
      const Clock::time_point asked = Clock::now();
      std::string problem;
      try {
        problem = problem_of(client.ask("POST", "/rerank", body), per_request);
      } catch (const std::exception& error) {
        problem = error.what();
      }
      const std::lock_guard lock(mutex);
      out.milliseconds.push_back(1000 * seconds_since(asked));
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
  out.seconds = seconds_since(begin);
  out.rss_end = server.rss_bytes();
  return out;
}

}  // namespace lait
