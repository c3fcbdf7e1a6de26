// Clients that others have written work with the server as it is.
#include <gtest/gtest.h>

#include "tests/oracles/python.h"
#include "tests/serve/process.h"

namespace lait {
namespace {

using nlohmann::json;

class Clients : public Serve {};

TEST_F(Clients, RerankAsTheyDoElsewhere) {
  // `make test` makes it: to be without is a failure, not a reason to skip.
  ASSERT_TRUE(std::filesystem::exists(oracle::python())) << oracle::python();
  const Process server(folder_.path(), {"--checkpoint", checkpoint()}, {.api_key = "secret"});
  oracle::run(
      "rerank_clients.py",
      "http://127.0.0.1:" + std::to_string(server.port()) + " secret '" + path("got.json") + "'",
      folder_ / "clients.log");
  const json got = json::parse(read_file(path("got.json")));
  const Reply reply = server.client().ask(
      "POST", "/rerank",
      json{{"query", "am bn"}, {"texts", {"co", "dp am", "eq", "fr co", "am bn"}}}.dump(),
      "Authorization: Bearer secret\r\n");
  json expected = json::array();
  for (const json& line : json::parse(reply.body))
    expected.push_back({line.at("index"), line.at("score")});
  EXPECT_EQ(got.at("tei"), expected);
  expected.erase(expected.begin() + 3, expected.end());
  EXPECT_EQ(got.at("v1"), expected);
  EXPECT_EQ(got.at("v2"), expected);
}

}  // namespace
}  // namespace lait
