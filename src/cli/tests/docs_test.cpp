// Compares the reference pages in docs/ with the help of the program, and the flags of every
// command in README.md and docs/ with the flags that its help lists.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <iterator>
#include <map>
#include <regex>
#include <sstream>

#include "cli/testing/process.h"
#include "io/files/file.h"
#include "io/testing.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = EMEND_SOURCE_DIR;

TEST(Docs, ReferencePagesAreUpToDate) {
  const TemporaryFolder folder;
  const auto script = (kRoot / "scripts/update_docs").string();
  ASSERT_EQ(std::system(("OMP_NUM_THREADS=1 EMEND_PROGRAM=" EMEND_PROGRAM " " + script + " " +
                         folder.path())
                            .c_str()),
            0);
  for (const char* page : {"commands.md", "editor-settings.md", "extending.md"})
    EXPECT_EQ(read_file((kRoot / "docs" / page).string()), read_file(folder.file(page)))
        << "run scripts/update_docs";
}

// `build/emend COMMAND ...` lines in fenced blocks; lines that end in a backslash continue.
std::vector<std::string> commands_in(const std::string& page) {
  std::vector<std::string> commands;
  std::istringstream lines(read_file(page));
  std::string line, command;
  bool fenced = false;
  while (std::getline(lines, line)) {
    if (line.starts_with("```")) fenced = !fenced;
    if (!fenced) continue;
    command += line.substr(0, line.find("  # "));
    if (command.ends_with('\\')) {
      command.back() = ' ';
      continue;
    }
    if (command.starts_with("build/emend ")) commands.push_back(command);
    command.clear();
  }
  return commands;
}

TEST(Docs, CommandsUseFlagsThatExist) {
  const TemporaryFolder folder;
  std::vector<std::string> pages = {(kRoot / "README.md").string()};
  for (const auto& entry : fs::directory_iterator(kRoot / "docs"))
    if (entry.path().extension() == ".md") pages.push_back(entry.path().string());
  std::map<std::string, std::string> help;  // by command
  int flags = 0;
  for (const auto& page : pages)
    for (const auto& command : commands_in(page)) {
      SCOPED_TRACE(page + ": " + command);
      std::istringstream stream(command);
      const std::vector<std::string> words{std::istream_iterator<std::string>(stream), {}};
      auto name = words.at(1);
      const bool nested = name == "patch" || name == "scenes" || name == "convert";
      if (nested && words.size() > 2 && !words[2].starts_with("-")) name += " " + words[2];
      if (name.starts_with("-")) continue;
      if (!help.count(name)) {
        const auto file = folder.file("help");
        EXPECT_EQ(testing::wait_for(testing::start_program(testing::words_of(name + " --help"),
                                                           file, folder.file("errors"))),
                  0);
        help[name] = read_file(file);
      }
      for (const auto& word : words) {
        const auto flag = word.substr(0, word.find('='));
        if (!std::regex_match(flag, std::regex("--?[a-z][a-z-]*"))) continue;
        ++flags;
        EXPECT_TRUE(std::regex_search(
            help[name], std::regex("(^|[ ,])" + flag + "([ ,=]|$)", std::regex::multiline)))
            << flag;
      }
    }
  EXPECT_GT(flags, 50);
}

}  // namespace
}  // namespace emend
