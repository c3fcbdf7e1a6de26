// Many connections, and the server's end: requests that have come are answered, and no client can
// hold it.
#include "eval/serve/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <fstream>
#include <random>
#include <set>

#include "tests/serve/echo_server.h"

namespace lait {
namespace {

using Time = HttpServerOptions::Time;

// Longer than any test.
constexpr Time kLong{600000};

// Of this process, in bytes.
int64_t memory() {
  std::ifstream in("/proc/self/statm");
  int64_t all = 0, resident = 0;
  in >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

TEST(HttpServer, ThousandIdleConnectionsHoldNothingUp) {
  constexpr rlim_t kFiles = 3000;
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = std::max(files.rlim_cur, std::min(kFiles, files.rlim_max));
  setrlimit(RLIMIT_NOFILE, &files);
  ASSERT_GE(files.rlim_cur, kFiles) << "ulimit -Hn is too low";
  const EchoServer server({.idle_time = kLong, .head_time = kLong});
  std::vector<RawClient> idle;
  for (int i = 0; i < 1000; ++i) {
    idle.push_back(server.client());
    if (i % 2 == 0) idle.back().send("GET /slow");
  }
  for (int i = 0; i < 20; ++i) EXPECT_EQ(server.client().ask("GET", "/a").status, 200);
  EXPECT_EQ(idle[1].ask("GET", "/a").status, 200);
  EXPECT_EQ(idle[999].ask("GET", "/a").status, 200);
}

TEST(HttpServer, MoreConnectionsThanItTakesAreTurnedAway) {
  EchoServer server({.max_connections = 3});
  std::vector<RawClient> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(server.client());
    EXPECT_EQ(clients.back().ask("GET", "/a").status, 200);
  }
  RawClient turned_away = server.client();
  const Reply reply = turned_away.reply();
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.header("connection"), "close");
  turned_away.close();
  clients.clear();
  int status = 503;  // until it has seen that they are closed
  while (status == 503) status = server.client().ask("GET", "/a").status;
  EXPECT_EQ(status, 200);
}

TEST(HttpServer, TenThousandMalformedRequests) {
  const EchoServer server;
  const std::string valid[] = {
      request_text("GET", "/a", "", "Range: bytes=1-2\r\nAccept-Encoding: gzip\r\n"),
      request_text("POST", "/a", R"({"query": "a"})", "Content-Type: application/json\r\n"),
      "POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n5;a=b\r\n12345\r\n0\r\nTrailer: a\r\n\r\n",
      request_text("POST", "/a", "abc", "Expect: 100-continue\r\nConnection: close\r\n")};
  const std::set<int> expected{0, 100, 200, 400, 408, 413, 414, 415, 417, 431, 501, 505};
  constexpr uint32_t kRequests = 10000;
  int64_t memory_before = 0;
  uint32_t refused = 0;
  for (uint32_t seed = 0; seed < kRequests; ++seed) {
    std::mt19937 random(seed);
    if (seed == kRequests / 4) memory_before = memory();
    std::string bytes = valid[seed % std::size(valid)];
    if (seed % 16 == 0) {
      for (char& c : bytes) c = static_cast<char>(random() % 256);
    }
    for (uint32_t changes = 1 + random() % 4; changes > 0 && !bytes.empty(); --changes) {
      const size_t at = random() % bytes.size();
      switch (random() % 5) {
        case 0:
          bytes[at] = static_cast<char>(random() % 256);
          break;
        case 1:
          bytes.erase(at, 1 + random() % 16);
          break;
        case 2:
          bytes.insert(at, 1, "\r\n :;,0f\"\t"[random() % 10]);
          break;
        case 3:
          bytes.insert(at, bytes.substr(random() % bytes.size(), random() % 40));
          break;
        default:
          bytes.resize(at);
      }
    }
    RawClient client = server.client();
    client.send(bytes);
    client.end_sending();
    while (true) {
      const Reply reply = client.reply(/*is_head=*/bytes.starts_with("HEAD"));
      ASSERT_TRUE(expected.contains(reply.status)) << "seed " << seed << ": " << reply.status;
      refused += reply.status >= 400 ? 1 : 0;
      if (reply.status == 0) break;
    }
  }
  EXPECT_GT(refused, kRequests / 4);
  EXPECT_LT(memory() - memory_before, 16 << 20);
  EXPECT_EQ(server.client().ask("GET", "/a").status, 200);
}

TEST(HttpServer, ConnectionsThatWaitAreServedBeforeItEnds) {
  EchoServer server({.grace_time = kLong}, /*runs=*/false);
  std::vector<RawClient> clients;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(server.client());
    clients.back().send(request_text("GET", "/a"));
  }
  server.stop();
  server.run();
  for (RawClient& client : clients) {
    const Reply reply = client.reply();
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.header("connection"), "close");
    client.close();
  }
  server.join();
}

TEST(HttpServer, RequestsThatHaveBegunAreFinished) {
  EchoServer server({.grace_time = kLong});
  RawClient begun = server.client(), waiting = server.client(), kept = server.client();
  EXPECT_EQ(kept.ask("GET", "/a").status, 200);
  begun.ask("GET", "/a");
  begun.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na");
  waiting.send(request_text("GET", "/wait"));
  server.wait_for_requests(3);
  server.stop();
  EXPECT_TRUE(kept.is_closed());  // at once
  begun.send("bc");
  const Reply reply = begun.reply();
  EXPECT_EQ(reply.body, "POST /a abc");
  EXPECT_EQ(reply.header("connection"), "close");
  begun.close();
  server.release();
  EXPECT_EQ(waiting.reply().status, 200);
  waiting.close();
  server.join();
}

TEST(HttpServer, SlowClientsDoNotHoldIt) {
  EchoServer server({.idle_time = kLong,
                     .head_time = kLong,
                     .body_time = kLong,
                     .write_time = kLong,
                     .linger_time = kLong,
                     .grace_time = Time(50)});
  RawClient silent = server.client(), slow = server.client(), deaf = server.client(),
            lingering = server.client();
  slow.send("GET /a HT");
  lingering.send("nonsense\r\n\r\n");
  server.wait_for_fault(400);
  deaf.send(request_text("GET", "/large"));
  server.wait_for_requests(1);
  server.stop();
  server.join();
  EXPECT_TRUE(silent.is_closed());
  EXPECT_TRUE(slow.is_closed());
}

TEST(HttpServer, AnswersComeAfterTheGraceTime) {
  EchoServer server({.linger_time = Time(50), .grace_time = Time(50)});
  RawClient client = server.client(), other = server.client();
  client.send(request_text("GET", "/wait"));
  server.wait_for_requests(1);
  other.send("GET /a HT");
  server.stop();
  EXPECT_TRUE(other.is_closed());  // the grace time is over
  server.release();
  EXPECT_EQ(client.reply().body, "GET /wait ");
  server.join();
}

TEST(HttpServer, AClientThatIsGoneHoldsNothing) {
  EchoServer server;
  for (int i = 0; i < 20; ++i) {
    RawClient client = server.client();
    client.send(request_text("GET", i % 2 == 0 ? "/wait" : "/large"));
    server.wait_for_requests(static_cast<size_t>(i) + 1);
  }
  server.release();
  EXPECT_EQ(server.client().ask("GET", "/a").status, 200);
}

}  // namespace
}  // namespace lait
