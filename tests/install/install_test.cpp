// make install: the files under the prefix are complete and name no folder outside; an external
// project scores an example with them, Python loads the operators, the programs find their configs
// and model, and other users than the one who installed them run them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <regex>
#include <sstream>

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
    write_file(prefix() / "lib/liblait_cuda.so", "of an older install with CUDA=1");
    // All but LibTorch, which is large, and each test has a process of its own.
    const Result result =
        shell("cmake --install '" LAIT_BUILD_DIR "' --component Unspecified --prefix '" +
              prefix().string() + "'");
    ASSERT_EQ(result.code, 0) << result.out;
    ASSERT_FALSE(libtorch().empty());
    fs::create_directory_symlink(libtorch(), prefix() / "lib/lait");
  }
  static void TearDownTestSuite() { delete folder_; }

  static fs::path prefix() { return *folder_ / "prefix"; }
  static Result shell(const std::string& command) {
    return lait::shell("{ " + command + "; } 2>&1", folder_->path());
  }
  static const std::string& libtorch() {
    static const std::string folder =
        shell("bash '" LAIT_SOURCE_DIR "/cmake/setup.sh' where | head -1 | tr -d '\\n'").out;
    return folder;
  }
  static std::vector<fs::path> files() {
    std::vector<fs::path> out;
    for (const auto& entry : fs::recursive_directory_iterator(prefix())) {
      if (entry.is_regular_file()) out.push_back(entry.path());
    }
    EXPECT_GT(out.size(), 100u);
    return out;
  }
  static bool is_elf(const fs::path& file) {
    constexpr std::array<char, 4> kMagic = {0x7F, 'E', 'L', 'F'};
    const MappedFile bytes(file);
    return bytes.size() > kMagic.size() &&
           std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) == 0;
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

// Programs and libraries find one another by paths from themselves, and text files name no folder
// of the user who built them.
TEST_F(Install, NothingNamesLibTorchsFolder) {
  for (const fs::path& file : files()) {
    if (is_elf(file)) {
      const std::string path = shell("readelf -d '" + file.string() + "' | grep PATH").out;
      EXPECT_THAT(path, testing::Not(testing::ContainsRegex("[:[]/"))) << file;
    } else if (file.extension() != ".a" && file.extension() != ".safetensors") {
      const std::string text = read_file(file);
      EXPECT_EQ(text.find(libtorch()), text.npos) << file;
      const char* home = std::getenv("HOME");
      if (home != nullptr && std::strlen(home) > 1) {
        EXPECT_EQ(text.find(std::string(home) + "/"), text.npos) << file;
      }
    }
  }
}

TEST_F(Install, ManualPages) {
  const fs::path man = prefix() / "share/man/man1";
  for (const char* program :
       {"lait-train", "lait-eval", "lait-predict", "lait-serve", "lait-cache-build", "lait-data",
        "lait-data-wordnet", "lait-data-stat", "lait-data-split", "lait-data-export",
        "lait-bench-attention", "lait-bench-train-step"})
    EXPECT_TRUE(fs::exists(man / (std::string(program) + ".1"))) << program;
  const std::string page = read_file(man / "lait-train.1");
  EXPECT_THAT(page, HasSubstr(".SH NAME\nlait-train \\- fine\\-tunes"));
  EXPECT_THAT(page, HasSubstr("\\-\\-resume"));
  if (shell("command -v man groff").code != 0) GTEST_SKIP() << "no man here";
  const Result shown = shell("MANPATH='" + (prefix() / "share/man").string() +
                             "' MANWIDTH=80 man -P cat lait-train");
  EXPECT_EQ(shown.code, 0) << shown.out;
  EXPECT_THAT(shown.out, HasSubstr("--config FILE|NAME          YAML file"));
  EXPECT_THAT(shown.out, testing::Not(HasSubstr("cannot")));
}

// Installed by root with a strict umask, run by a user who has no home and cannot read root's.
TEST_F(Install, EveryUserCanRunIt) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can install for others and become another user";
  if (!oracle::sanitizer().empty()) GTEST_SKIP() << "a sanitizer's runtime is not installed";
  fs::permissions(folder_->path(), fs::perms::owner_all | fs::perms::group_read |
                                       fs::perms::group_exec | fs::perms::others_read |
                                       fs::perms::others_exec);
  const fs::path everyones = *folder_ / "everyones";
  const Result installed = shell("umask 077; cmake --install '" LAIT_BUILD_DIR "' --prefix '" +
                                 everyones.string() + "'");
  ASSERT_EQ(installed.code, 0) << installed.out;
  const fs::path checkpoint = write_checkpoint(*folder_ / "checkpoint", {.independent_layers = 2});
  const std::string line = R"({"segments": ["am bn", "co"], "label": "entails"})";
  folder_->write("data.jsonl", line + "\n" + R"({"segments": ["co", "am"], "label": "neutral"})");
  shell("chmod -R a+rX '" + folder_->path().string() + "'");

  // Where the system allows it, in a file system without root's home.
  const std::string hide = "unshare -m sh -c 'mount -t tmpfs none ~ && exec \"$@\"' - ";
  const bool hidden = shell(hide + "true").code == 0;
  const std::string as_nobody =
      (hidden ? hide : "") +
      "setpriv --reuid=nobody --regid=nogroup --clear-groups env -i -C / PATH=/usr/bin:/bin "
      "HOME=/nonexistent ";
  const std::string bin = (everyones / "bin").string();
  if (hidden) {
    ASSERT_NE(shell(as_nobody + "ls ~/.cache").code, 0) << "root's home is seen";
  }
  for (const char* program : {"lait-train", "lait-eval", "lait-predict", "lait-serve", "lait-cache",
                              "lait-data", "lait-bench"}) {
    const Result libraries = shell(as_nobody + "ldd '" + bin + "/" + program + "'");
    EXPECT_EQ(libraries.code, 0) << libraries.out;
    std::istringstream lines(libraries.out);
    for (std::string library; std::getline(lines, library);) {
      EXPECT_THAT(library, testing::ContainsRegex("linux-vdso|[ \t](/usr)?/lib|=> " + bin))
          << program;
    }
  }
  const Result dry = shell(
      as_nobody + "'" + bin + "/lait-train' --config demo.yaml --dry-run --set task=jsonl " +
      "--set data.train='" + (*folder_ / "data.jsonl").string() + "' --set data.validation='" +
      (*folder_ / "data.jsonl").string() + "' --set data.test=[]");
  EXPECT_EQ(dry.code, 0) << dry.out;
  EXPECT_THAT(dry.out,
              HasSubstr("config: " + everyones.string() + "/share/lait/configs/demo.yaml"));
  const Result predicted =
      shell("echo '" + line + "' | " + as_nobody + "'" + bin + "/lait-predict' --checkpoint '" +
            checkpoint.string() + "' --input -");
  EXPECT_EQ(predicted.code, 0) << predicted.out;
  EXPECT_THAT(predicted.out, HasSubstr("\"label\":"));
}

TEST_F(Install, AnOldCudaLibraryIsRemoved) {
  EXPECT_FALSE(fs::exists(prefix() / "lib/liblait_cuda.so"));
}

// The install script with another folder as LibTorch's: one without nvidia/ is copied as it is; one
// that lacks a library is refused before anything is copied.
TEST_F(Install, OfALibTorchWithoutSomeFiles) {
  const fs::path fake = *folder_ / "libtorch", there = *folder_ / "there";
  std::string script = read_file(LAIT_BUILD_DIR "/cmake_install.cmake");
  for (size_t at = 0; (at = script.find(libtorch(), at)) != script.npos; at += fake.string().size())
    script.replace(at, libtorch().size(), fake.string());
  folder_->write("install.cmake", script);
  for (const char* file : {"torch/include/torch/a.h", "torch/lib/libtorch_cpu.so",
                           "torch/lib/libc10.so", "torch/lib/libgomp.so.1"})
    write_file(fake / file, file);
  const auto install = [&](const std::string& component) {
    return shell("cmake -DCMAKE_INSTALL_PREFIX='" + there.string() + "' " +
                 (component.empty() ? "" : "-DCMAKE_INSTALL_COMPONENT=" + component) + " -P '" +
                 (*folder_ / "install.cmake").string() + "'");
  };
  const Result whole = install("libtorch");
  EXPECT_EQ(whole.code, 0) << whole.out;
  EXPECT_EQ(read_file(there / "lib/lait/torch/lib/libgomp.so.1"), "torch/lib/libgomp.so.1");
  EXPECT_TRUE(fs::exists(there / "lib/lait/torch/include/torch/a.h"));
  fs::remove_all(there);
  const auto expect_refusal = [&](const std::string& component, const std::string& file) {
    const Result result = install(component);
    EXPECT_NE(result.code, 0) << result.out;
    std::string text = std::regex_replace(result.out, std::regex("\\s+"), " ");
    EXPECT_THAT(text, HasSubstr("install: LibTorch: expected " + (fake / file).string() +
                                ", got none; nothing was installed."));
    EXPECT_FALSE(fs::exists(there));
  };
  expect_refusal("cuda_check", "nvidia");
  fs::remove(fake / "torch/lib/libgomp.so.1");
  for (const char* component : {"", "Unspecified", "libtorch"})
    expect_refusal(component, "torch/lib/libgomp.so.1");
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
