// Runs the commands of README.md in order in an empty folder and compares their output with the
// README:
//   - After `# -> TEXT` behind a command, the output must contain TEXT.
//   - A fenced block whose paragraph ends with "prints:" must contain lines of the last command's
//     output. Numbers may differ by kTolerance, because kernels of other processors round
//     differently. Times are not compared.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <regex>
#include <sstream>

#include "io/files/file.h"
#include "io/testing.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

constexpr double kTolerance = 4;  // in percent; one of 25 records is 4 percent

// Commands that need downloaded files.
const std::vector<std::string> kNeedDownloads = {"smollm2", ".pth", "blip2-opt-2.7b"};

struct Block {
  std::string introduction;  // the line of text before the fence
  std::vector<std::string> lines;
};

std::vector<Block> fenced_blocks(const std::string& markdown) {
  std::vector<Block> blocks;
  std::string last;
  bool open = false;
  std::istringstream stream(markdown);
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with("```")) {
      open = !open;
      if (open) blocks.push_back({last, {}});
    } else if (open) {
      blocks.back().lines.push_back(line);
    } else if (!line.empty()) {
      last = line;
    }
  }
  return blocks;
}

// Joins lines that end in a backslash with the next line.
std::vector<std::string> commands_of(const Block& block) {
  std::vector<std::string> commands;
  std::string command;
  for (const auto& line : block.lines) {
    command += line;
    if (!line.empty() && line.back() == '\\') {
      command.back() = ' ';
      continue;
    }
    if (command.starts_with("build/emend ")) commands.push_back(command);
    command.clear();
  }
  return commands;
}

std::string expected_text(const std::string& command) {
  const auto mark = command.find("# -> ");
  return mark == std::string::npos ? "" : command.substr(mark + 5);
}

// Punctuation around a number is ignored: "(5" and "62.0,".
bool is_number(std::string word, double& value) {
  std::erase_if(word, [](char c) { return c == '(' || c == ')' || c == ','; });
  char* end = nullptr;
  value = std::strtod(word.c_str(), &end);
  return !word.empty() && *end == '\0';
}

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream stream(line);
  return {std::istream_iterator<std::string>(stream), {}};
}

bool same_line(const std::vector<std::string>& expected, const std::vector<std::string>& printed) {
  if (expected.size() != printed.size()) return false;
  for (size_t i = 0; i < expected.size(); ++i) {
    double a = 0, b = 0;
    const bool numbers = is_number(expected[i], a) && is_number(printed[i], b);
    if (numbers ? std::abs(a - b) > kTolerance : expected[i] != printed[i]) return false;
  }
  return true;
}

bool has_line(const std::string& output, const std::string& line) {
  std::istringstream stream(output);
  for (std::string printed; std::getline(stream, printed);)
    if (same_line(words_of(line), words_of(printed))) return true;
  return false;
}

class ReadmeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory_symlink(fs::path(EMEND_PROGRAM).parent_path(), folder_.file("build"));
  }

  std::string run(const std::string& command) {
    const auto line = "cd '" + folder_.path() + "' && OMP_NUM_THREADS=1 EMEND_LOG=error sh -c '" +
                      std::regex_replace(command, std::regex("'"), "'\\''") + "' > printed 2> said";
    const int status = std::system(line.c_str());
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << command << "\n"
                                                               << read_file(folder_.file("said"));
    return read_file(folder_.file("printed"));
  }

  TemporaryFolder folder_;
};

TEST_F(ReadmeTest, CommandsPrintTheOutputInTheReadme) {
  std::string output;
  int run_commands = 0, compared = 0;
  for (const auto& block : fenced_blocks(read_file(EMEND_SOURCE_DIR "/README.md"))) {
    // scripts/demo also builds the program, so the test runs `emend demo` directly.
    if (block.introduction.find("`scripts/demo` prints:") != std::string::npos)
      output = run("build/emend demo");
    if (block.introduction.ends_with("prints:") && !output.empty()) {
      for (const auto& line : block.lines) {
        if (line.empty()) continue;
        EXPECT_TRUE(has_line(output, line)) << "README: " << line << "\nprinted:\n" << output;
        ++compared;
      }
    }
    output.clear();
    for (const auto& command : commands_of(block)) {
      const bool skipped =
          std::any_of(kNeedDownloads.begin(), kNeedDownloads.end(),
                      [&](const auto& name) { return command.find(name) != std::string::npos; });
      if (skipped) {
        std::cout << "not run because it needs a download: " << command << "\n";
        output.clear();
        continue;
      }
      output = run(command);
      ++run_commands;
      if (const auto text = expected_text(command); !text.empty()) {
        EXPECT_THAT(output, ::testing::HasSubstr(text)) << command;
        ++compared;
      }
    }
  }
  EXPECT_GE(run_commands, 6) << "no commands were found in README.md";
  EXPECT_GE(compared, 6) << "no expected outputs were found in README.md";
}

}  // namespace
}  // namespace emend
