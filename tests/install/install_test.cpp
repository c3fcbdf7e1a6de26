// make install: the files under the prefix are complete and name neither the source nor the build
// folder; an external project scores an example with them, Python loads the operators, the programs
// find their configs and model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <regex>

#include "lait/base/files.h"
#include "lait/predict/predictor.h"
#include "tests/base/shell.h"
#include "tests/base/temporary_folder.h"
#include "tests/eval/tiny_checkpoint.h"
#include "tests/oracles/oracle.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

using Result = ShellResult;

class Install : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    const Result result =
        shell("cmake --install '" LAIT_BUILD_DIR "' --prefix '" + prefix().string() + "'");
    ASSERT_EQ(result.code, 0) << result.out;
  }
  static void TearDownTestSuite() { delete folder_; }

  static fs::path prefix() { return *folder_ / "prefix"; }
  static Result shell(const std::string& command) {
    return lait::shell("{ " + command + "; } 2>&1", folder_->path());
  }
  static std::vector<fs::path> files() {
    std::vector<fs::path> out;
    for (const auto& entry : fs::recursive_directory_iterator(prefix())) {
      if (entry.is_regular_file()) out.push_back(entry.path());
    }
    EXPECT_GT(out.size(), 100u);
    return out;
  }

  static TemporaryFolder* folder_;
};
TemporaryFolder* Install::folder_ = nullptr;

TEST_F(Install, NothingNamesTheSourceOrBuildFolder) {
  if (!oracle::sanitizer().empty())
    GTEST_SKIP() << "a sanitizer's reports need debug information, which names the sources";
  EXPECT_TRUE(fs::exists(prefix() / "lib" / "liblait_ops.so"));
  for (const fs::path& file : files()) {
    // The line tables of the device code (for profilers) name their sources.
    if (file.filename() == "liblait_cuda.so") continue;
    const MappedFile bytes(file);
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    for (const char* folder : {LAIT_SOURCE_DIR "/", LAIT_BUILD_DIR}) {
      const size_t at = text.find(folder);
      EXPECT_EQ(at, std::string_view::npos) << file << ": " << text.substr(at, 120);
    }
  }
}

TEST_F(Install, HeadersIncludeNoHeaderThatIsNotInstalled) {
  const fs::path root = prefix() / "include" / "lait";
  const std::regex include("#include \"([^\"]+)\"");
  int count = 0;
  for (const fs::path& file : files()) {
    if (file.extension() != ".h") continue;
    ++count;
    const std::string text = read_file(file);
    for (std::sregex_iterator it(text.begin(), text.end(), include), end; it != end; ++it) {
      EXPECT_TRUE(fs::exists(root / (*it)[1].str())) << file << " includes " << (*it)[1];
    }
  }
  EXPECT_GT(count, 50);
}

TEST_F(Install, ProgramsFindTheirConfigsAndModel) {
  const std::string train = "cd / && env -i '" + (prefix() / "bin" / "lait-train").string() + "' ";
  const Result configs = shell(train + "--list-configs");
  EXPECT_EQ(configs.code, 0) << configs.out;
  EXPECT_THAT(configs.out, HasSubstr("demo.yaml"));
  const Result dry = shell(train + "--config demo.yaml --dry-run --set data.train=/nothing.jsonl");
  EXPECT_THAT(dry.out,
              HasSubstr("config: " + (prefix() / "share/lait/configs/demo.yaml").string()));
  EXPECT_THAT(dry.out, HasSubstr("/nothing.jsonl: "))
      << "the model is read before the data, so it was found";
  const Result bench = shell("cd / && env -i '" + (prefix() / "bin" / "lait-bench").string() +
                             "' attention --head-dim 32 --dtype fp32 --heads 1 --milliseconds 0.1");
  EXPECT_EQ(bench.code, 0) << bench.out;
  EXPECT_THAT(bench.out, HasSubstr("mnli segments"));
}

// The project has twelve lines: tests/install/outside.
TEST_F(Install, AProjectOutsideScoresAnExample) {
  const fs::path checkpoint = write_checkpoint(*folder_ / "checkpoint", {.independent_layers = 2});
  const std::string expected = Predictor::load(checkpoint).predict({"am bn", "co"}).label;
  const std::string source = LAIT_SOURCE_DIR "/tests/install/outside",
                    build = (*folder_ / "outside").string();
  int lines = 0;
  for (const char* file : {"CMakeLists.txt", "score.cpp"}) {
    LineReader reader(fs::path(source) / file);
    while (const auto line = reader.next()) lines += !line->empty();
  }
  EXPECT_LE(lines, 12);
  const std::string flags =
      oracle::sanitizer().empty() ? "" : "CXXFLAGS=-fsanitize=address,undefined ";
  const Result built =
      shell(flags + "cmake -S '" + source + "' -B '" + build + "' -DCMAKE_PREFIX_PATH='" +
            prefix().string() + "' && cmake --build '" + build + "'");
  ASSERT_EQ(built.code, 0) << built.out;
  const Result scored = shell("'" + build + "/score' '" + checkpoint.string() + "' 'am bn' co");
  EXPECT_EQ(scored.code, 0);
  EXPECT_EQ(scored.out, expected + "\n");
}

TEST_F(Install, APackageWithoutLibTorchSaysSo) {
  const Result result =
      shell("cmake -S '" LAIT_SOURCE_DIR "/tests/install/outside' -B '" +
            (*folder_ / "without").string() + "' -DLAIT_LIBTORCH=/nowhere -DCMAKE_PREFIX_PATH='" +
            prefix().string() + "'");
  EXPECT_NE(result.code, 0);
  EXPECT_THAT(result.out, HasSubstr("'/nowhere'"));
  EXPECT_THAT(result.out, HasSubstr("-DLAIT_LIBTORCH=PREFIX"));
}

TEST_F(Install, PythonLoadsTheOperators) {
  LAIT_SKIP_WITHOUT_ORACLE();
  const Result result =
      shell(oracle::sanitizer() + "PYTHONDONTWRITEBYTECODE=1 '" + oracle::python().string() +
            "' '" LAIT_SOURCE_DIR "/tests/install/load_ops.py' '" +
            (prefix() / "lib" / "liblait_ops.so").string() + "'");
  EXPECT_EQ(result.code, 0) << result.out;
  EXPECT_THAT(result.out, HasSubstr("largest difference"));
}

}  // namespace
}  // namespace lait
