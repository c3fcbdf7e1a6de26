// Shipped configs by bare name, models by directory and in the Hugging Face cache.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <regex>

#include "lait/base/files.h"
#include "lait/config/read.h"
#include "tests/base/error_of.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

// Each test runs in an empty folder, with its own cache.
class FindTest : public testing::Test {
 protected:
  void SetUp() override {
    before_ = fs::current_path();
    dir_ = fs::temp_directory_path() / ("lait_find_" + std::to_string(getpid()));
    fs::remove_all(dir_);
    fs::create_directories(dir_ / "here");
    fs::current_path(dir_ / "here");
    for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"})
      unsetenv(name);
    setenv("HF_HOME", (dir_ / "hf").c_str(), 1);
  }
  void TearDown() override {
    fs::current_path(before_);
    fs::remove_all(dir_);
  }
  fs::path cache_model(const std::string& folder, const std::string& revision,
                       bool with_ref = true) {
    const fs::path model = dir_ / "hf" / "hub" / folder, snapshot = model / "snapshots" / revision;
    write_file(snapshot / "config.json", "{}");
    if (with_ref) write_file(model / "refs" / "main", revision + "\n");
    return snapshot;
  }
  static std::string model_error(const std::string& name) {
    return error_of([&] { find_model(name); });
  }
  static std::string config_error(const std::string& name) {
    return error_of([&] { find_config(name); });
  }

  fs::path before_, dir_;
};

TEST_F(FindTest, ConfigHereComesFirst) {
  EXPECT_EQ(find_config("demo.yaml"), fs::canonical(LAIT_SOURCE_DIR) / "configs" / "demo.yaml");
  EXPECT_EQ(find_config("demo"), fs::canonical(LAIT_SOURCE_DIR) / "configs" / "demo.yaml");
  write_file("demo.yaml", "task: sick\n");
  EXPECT_EQ(find_config("demo.yaml"), "demo.yaml");
}

TEST_F(FindTest, ConfigErrorsListTheShipped) {
  EXPECT_THAT(config_error("dmeo.yaml"),
              StartsWith("--config dmeo.yaml: no such file here, nor among the shipped configs "
                         "{anli_split4.yaml, answer_equivalence_split4.yaml, boolq_split4.yaml, "));
  EXPECT_THAT(config_error("dmeo.yaml"), HasSubstr(" (did you mean demo.yaml?)"));
  EXPECT_EQ(config_error("x/y.yaml"), "--config x/y.yaml: no such file");
  EXPECT_THAT(config_error(".."), HasSubstr("expected a file, got a folder"));
  EXPECT_THAT(config_error(""), HasSubstr("no such file"));
}

TEST_F(FindTest, ShippedConfigsAreReadable) {
  const auto configs = list_configs();
  ASSERT_GE(configs.size(), 22u);
  const std::regex variable(R"(\$\{([A-Z0-9_]+)\})");
  for (const ShippedConfig& config : configs) {
    const std::string text = read_file(find_config(config.name));
    for (std::sregex_iterator it(text.begin(), text.end(), variable), end; it != end; ++it)
      setenv(it->str(1).c_str(), "/data", 1);
  }
  for (const ShippedConfig& config : configs) {
    EXPECT_FALSE(config.summary.empty()) << config.name;
    const Config read = read_config(find_config(config.name), {});
    EXPECT_FALSE(read.data.train.empty()) << config.name;
    EXPECT_FALSE(read.data.validation.empty()) << config.name;
    EXPECT_EQ(parse_config(write_config(read), "written", {}), read) << config.name;
  }
}

TEST_F(FindTest, ModelDirectory) {
  write_file("m/config.json", "{}");
  EXPECT_EQ(find_model("m"), "m");
  fs::create_directories("empty");
  EXPECT_EQ(model_error("empty"),
            "model.path: empty: expected a Hugging Face directory with config.json, got a folder "
            "without it");
  EXPECT_THAT(model_error("m/config.json"), HasSubstr("got a file"));
  EXPECT_THAT(model_error("/no/such/folder"),
              HasSubstr("model.path: /no/such/folder: no such directory"));
  EXPECT_THAT(model_error("~/m"), HasSubstr("write ${HOME}"));
}

TEST_F(FindTest, ModelOfTheBuild) {
  const fs::path folder = fs::path(LAIT_BUILD_DIR) / "models" / "find-test-model";
  write_file(folder / "config.json", "{}");
  EXPECT_TRUE(fs::equivalent(find_model("find-test-model"), folder));
  EXPECT_THAT(model_error("find-test-modle"), HasSubstr("(did you mean find-test-model?)"));
  fs::remove_all(folder);
}

TEST_F(FindTest, ModelInTheCache) {
  const fs::path bert = cache_model("models--bert-base-uncased", "abc"),
                 t5 = cache_model("models--google-t5--t5-base", "def");
  EXPECT_EQ(find_model("bert-base-uncased"), bert);
  EXPECT_EQ(find_model("google-t5/t5-base"), t5);
  EXPECT_THAT(model_error("t5-base"),
              HasSubstr("fetch it with: hf download t5-base (did you mean google-t5/t5-base?)"));
  // The second revision lies beside the one that main names.
  cache_model("models--bert-base-uncased", "newer", /*with_ref=*/false);
  EXPECT_EQ(find_model("bert-base-uncased"), bert);
  // Fetched by revision only: taken where it is the only one.
  const fs::path pinned = cache_model("models--pinned", "123", /*with_ref=*/false);
  EXPECT_EQ(find_model("pinned"), pinned);
  cache_model("models--pinned", "456", /*with_ref=*/false);
  EXPECT_THAT(model_error("pinned"), HasSubstr("fetch it with: hf download pinned"));
  setenv("HF_HUB_CACHE", (dir_ / "hf" / "hub").c_str(), 1);
  setenv("HF_HOME", "/nowhere", 1);
  EXPECT_EQ(find_model("google-t5/t5-base"), t5);
}

TEST_F(FindTest, ModelMissingOrBroken) {
  EXPECT_EQ(model_error("bert-base-uncased"),
            "model.path: bert-base-uncased: neither a directory nor a model in the local Hugging "
            "Face cache (" +
                (dir_ / "hf" / "hub").string() + "); fetch it with: hf download bert-base-uncased");
  fs::remove(cache_model("models--half", "abc") / "config.json");
  EXPECT_THAT(model_error("half"),
              HasSubstr("has no config.json; fetch the model again: hf download half"));
  cache_model("models--evil", "abc");
  write_file(dir_ / "hf" / "hub" / "models--evil" / "refs" / "main", "../../../here");
  EXPECT_THAT(model_error("evil"), HasSubstr("hf download evil"));
  write_file(dir_ / "hf" / "hub" / "models--evil" / "refs" / "main", "");
  EXPECT_THAT(model_error("evil"), HasSubstr("hf download evil"));
}

}  // namespace
}  // namespace lait
