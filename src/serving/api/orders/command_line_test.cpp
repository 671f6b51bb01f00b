#include "serving/api/orders/command_line.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>

namespace emend {
namespace {

TEST(CommandLine, QuotesForAShell) {
  CommandLine line("edit", {"-m", "my model"});
  line.option("--prompt", "What's $HOME?")
      .option_if_given("--subject", "")
      .options("--set", {"steps=5", "sites=*.fc1"})
      .option("--target", "-5")
      .flag("--bare");
  EXPECT_EQ(line.text(),
            "emend edit -m 'my model' --prompt 'What'\\''s $HOME?' --set steps=5 --set "
            "'sites=*.fc1' --target=-5 --bare");
}

TEST(CommandLine, AShellReadsTheSameText) {
  const std::string text = "a'b\"c\\d $(echo x) `y` ;\n&|<>*?[]{}~#! \xc3\xa9";
  const auto command = CommandLine("x", {}).option("--prompt", text).text();
  const auto word = command.substr(command.find("--prompt ") + 9);
  std::FILE* pipe = ::popen(("printf %s " + word).c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string read;
  std::array<char, 256> piece;
  while (const auto size = std::fread(piece.data(), 1, piece.size(), pipe))
    read.append(piece.data(), size);
  ::pclose(pipe);
  EXPECT_EQ(read, text);
}

}  // namespace
}  // namespace emend
