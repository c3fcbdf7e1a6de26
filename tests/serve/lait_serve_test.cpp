// lait-serve as a user runs it: a process, its port, its signals.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

#include "tests/eval/programs.h"

namespace lait {
namespace {

using nlohmann::json;
using testing::HasSubstr;

struct Settings {
  const char* api_key = nullptr;
  rlim_t most_file_bytes = RLIM_INFINITY;
};

// The program on a port that the system chose, until the object's end.
class Process {
 public:
  Process(const std::filesystem::path& folder, std::vector<std::string> arguments,
          const Settings& settings = {})
      : log_(folder / "serve.log") {
    arguments.insert(arguments.begin(), LAIT_BUILD_DIR "/bin/lait-serve");
    for (const char* more : {"--port", "0", "--precision", "fp32"}) arguments.emplace_back(more);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const int log = open(log_.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(log, STDERR_FILENO);
      if (settings.api_key != nullptr) setenv("LAIT_API_KEY", settings.api_key, 1);
      const rlimit file_bytes{settings.most_file_bytes, settings.most_file_bytes};
      setrlimit(RLIMIT_FSIZE, &file_bytes);
      execv(argv[0], argv.data());
      _exit(127);
    }
    close(log);
    port_ = wait_for_port();
  }
  ~Process() {
    if (pid_ > 0) stop(SIGKILL);
  }

  // The exit code; -1: ended by a signal.
  int stop(int signal) {
    kill(pid_, signal);
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  int port() const { return port_; }
  std::string log() const { return read_file(log_); }
  httplib::Client client() const {
    httplib::Client client("127.0.0.1", port_);
    client.set_read_timeout(120);
    return client;
  }
  // Its answer.
  json post(const std::string& path, const json& body) const {
    const auto result = client().Post(path, body.dump(), "application/json");
    EXPECT_TRUE(result) << httplib::to_string(result.error());
    return result ? json::parse(result->body) : json();
  }

 private:
  int wait_for_port() const {
    const std::string url = "listening on http://127.0.0.1:";
    for (int i = 0; i < 6000; ++i, std::this_thread::sleep_for(std::chrono::milliseconds(10))) {
      const std::string text = log();
      const size_t at = text.find(url);
      if (at != std::string::npos && text.back() == '\n')
        return std::stoi(text.substr(at + url.size()));
      if (waitpid(pid_, nullptr, WNOHANG) != 0) break;
    }
    ADD_FAILURE() << "it does not listen: " << log();
    return 0;
  }

  std::filesystem::path log_;
  pid_t pid_ = 0;
  int port_ = 0;
};

class Serve : public Programs {
 protected:
  std::string checkpoint() {
    return write_checkpoint(folder_ / "c", {.independent_layers = 2, .head = HeadKind::kRelevance})
        .string();
  }
};

TEST_F(Serve, AnswersAsLaitPredict) {
  const std::string c = checkpoint();
  const Process server(folder_.path(), {"--checkpoint", c, "--cache", path("store")});
  const json out = server.post("/rerank", {{"query", "am bn"}, {"texts", {"co", "dp am"}}});
  const auto lines =
      lines_of(run(predict(c, write("in.jsonl", R"({"segments": ["am bn", "co"]})"
                                                "\n"
                                                R"({"segments": ["am bn", "dp am"]})")))
                   .out);
  for (const json& line : out) {
    EXPECT_EQ(line.at("score"), json::parse(lines.at(line.at("index").get<size_t>())).at("score"));
  }
  EXPECT_EQ(server.post("/predict", {{"segments", {"am bn", "co"}}}), json::parse(lines[0]));
  const auto metrics = server.client().Get("/metrics");
  EXPECT_THAT(metrics->body, HasSubstr("lait_segments_found_total 2\n"));
  EXPECT_THAT(metrics->get_header_value("Content-Type"), HasSubstr("version=0.0.4"));
  EXPECT_EQ(server.client().Get("/nothing")->status, 404);
  EXPECT_EQ(server.client().Put("/rerank", "{}", "text/plain")->status, 405);
  // A client that sends a form, as curl -F does, and one that sends pieces.
  EXPECT_EQ(
      server.client().Post("/rerank", httplib::MultipartFormDataItems{{"a", "b", "", ""}})->status,
      400);
  const std::string body = R"({"query": "am bn", "texts": ["co", "dp am"]})";
  const auto pieces = server.client().Post(
      "/rerank",
      [&](size_t offset, httplib::DataSink& sink) {
        if (offset < body.size()) {
          sink.write(body.data() + offset, 1);
        } else {
          sink.done();
        }
        return true;
      },
      "application/json");
  EXPECT_EQ(json::parse(pieces->body), out);
}

TEST_F(Serve, BodiesThatAreTooLongAreReadAndRefused) {
  const Process server(folder_.path(), {"--checkpoint", checkpoint(), "--max-body", "1KB"});
  httplib::Client client = server.client();
  client.set_keep_alive(true);
  EXPECT_EQ(client.Post("/rerank", std::string(100000, ' '), "application/json")->status, 413);
  EXPECT_EQ(client.Get("/health")->status, 200);  // on the same connection
}

// Requests that had come are answered, and then the process ends.
TEST_F(Serve, SigtermLetsRequestsEnd) {
  Process server(folder_.path(), {"--checkpoint", checkpoint(), "--max-documents", "5000"});
  json texts = json::array();
  for (uint32_t i = 0; i < 4000; ++i) {
    std::string text;
    for (uint32_t word = 0; word < 20; ++word) text += tiny_word(i * (word + 1) + i / 144) + " ";
    texts.push_back(text);
  }
  const std::string body = json{{"query", "am"}, {"texts", texts}}.dump();
  std::atomic<bool> is_answered = false;
  std::thread client([&] {
    const auto result = server.client().Post("/rerank", body, "application/json");
    ASSERT_TRUE(result) << httplib::to_string(result.error());
    EXPECT_EQ(result->status, 200);
    EXPECT_EQ(json::parse(result->body).size(), 4000u);
    is_answered = true;
  });
  bool is_busy = false;
  while (!is_busy && !is_answered) {
    const auto metrics = server.client().Get("/metrics");
    is_busy = metrics && metrics->body.find("lait_model_busy 1") != std::string::npos;
  }
  EXPECT_TRUE(is_busy) << "the request was too small";
  EXPECT_EQ(server.stop(SIGTERM), 143);
  client.join();
  EXPECT_TRUE(is_answered);
}

TEST_F(Serve, AStoreThatCannotBeWrittenIsOnlyRead) {
  const std::string c = checkpoint();
  const Process server(folder_.path(), {"--checkpoint", c, "--cache", path("store")},
                       {.most_file_bytes = 8192});
  const Process plain(folder_ / "c", {"--checkpoint", c});
  for (uint32_t round = 0; round < 3; ++round) {
    json texts = json::array();
    for (uint32_t i = 0; i < 50; ++i) texts.push_back(tiny_word(i) + " " + tiny_word(round));
    const json body{{"query", "am"}, {"texts", texts}};
    EXPECT_EQ(server.post("/rerank", body), plain.post("/rerank", body));
  }
  EXPECT_THAT(server.log(), HasSubstr("the store is only read"));
}

TEST_F(Serve, SigintEndsIt) {
  Process server(folder_.path(), {"--checkpoint", checkpoint()});
  EXPECT_EQ(server.client().Get("/health")->status, 200);
  EXPECT_EQ(server.stop(SIGINT), 130);
}

TEST_F(Serve, TheApiKeyIsNeeded) {
  const Process server(folder_.path(), {"--checkpoint", checkpoint()}, {.api_key = "secret"});
  httplib::Client client = server.client();
  EXPECT_EQ(client.Get("/health")->status, 200);
  const auto refused = client.Get("/info");
  EXPECT_EQ(refused->status, 401);
  EXPECT_EQ(refused->get_header_value("WWW-Authenticate"), "Bearer");
  client.set_bearer_token_auth("secret");
  EXPECT_EQ(client.Get("/info")->status, 200);
}

TEST_F(Serve, MistakesAreNamed) {
  const std::string c = checkpoint();
  const Process server(folder_.path(), {"--checkpoint", c});
  const auto error = [&](const std::string& more) {
    const ShellResult result = run("./lait-serve --precision fp32 " + more);
    EXPECT_EQ(result.code, 2) << result.err;
    return result.err;
  };
  EXPECT_THAT(error("--checkpoint '" + c + "' --port " + std::to_string(server.port())),
              HasSubstr("Address already in use; another process does"));
  EXPECT_THAT(error("--checkpoint '" + c + "' --port 0 --host 192.0.2.1"),
              HasSubstr("--host 192.0.2.1 --port 0: cannot listen there"));
  EXPECT_THAT(error("--checkpoint '" + c + "' --score neutral"), HasSubstr("no labels"));
  EXPECT_THAT(error(""), HasSubstr("--checkpoint: expected"));
  EXPECT_THAT(error("--checkpoint '" + path("none") + "'"), HasSubstr(path("none")));
  const ShellResult key = run("LAIT_API_KEY= ./lait-serve --checkpoint '" + c + "'");
  EXPECT_EQ(key.code, 2);
  EXPECT_THAT(key.err, HasSubstr("LAIT_API_KEY: expected a key"));
}

}  // namespace
}  // namespace lait
