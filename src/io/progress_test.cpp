#include "io/progress.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace emend {
namespace {

std::string shown(bool terminal, const std::function<void(std::FILE*)>& job) {
  char* text = nullptr;
  size_t size = 0;
  std::FILE* out = ::open_memstream(&text, &size);
  job(out);
  std::fclose(out);
  std::string copy(text, size);
  std::free(text);
  EXPECT_EQ(terminal, copy.find('\r') != std::string::npos);
  return copy;
}

TEST(Progress, AlwaysPrintsTheFinalState) {
  auto text = shown(false, [](std::FILE* out) {
    Progress progress("training", 200, 0, {out, false});
    for (int i = 0; i < 50; ++i) progress.advance();
    progress.note("loss 0.50");
  });
  EXPECT_EQ(0u, text.find("training 50/200 25 %, ")) << text;
  EXPECT_NE(text.find(" left, loss 0.50\n"), std::string::npos) << text;
  EXPECT_EQ(1, std::count(text.begin(), text.end(), '\n')) << "short jobs print one line";
}

TEST(Progress, PrintsPlainLinesAtIntervals) {
  auto text = shown(false, [](std::FILE* out) {
    Progress progress("x", 0, 0, {out, false, 0});
    for (int i = 0; i < 3; ++i) progress.advance();
  });
  EXPECT_EQ(4, std::count(text.begin(), text.end(), '\n'));
  EXPECT_NE(text.find("\nx 3, "), std::string::npos) << text;
}

TEST(Progress, DrawsABarOnATerminal) {
  auto text = shown(true, [](std::FILE* out) {
    Progress progress("x", 4, 0, {out, true});
    progress.set(2);
  });
  EXPECT_NE(text.find("[############............] 2/4 50 %"), std::string::npos) << text;
  EXPECT_EQ('\n', text.back());
}

TEST(Progress, EndsWithTheOutcome) {
  for (bool terminal : {true, false}) {
    const auto text = shown(terminal, [&](std::FILE* out) {
      Progress progress("editing, step", 500, 0, {out, terminal});
      progress.note("loss 0.03");
      progress.set(15);
      progress.finish("editing: holds after 15 steps");
    });
    const auto last = text.substr(text.rfind("editing"));
    EXPECT_EQ(0u, last.find("editing: holds after 15 steps, ")) << text;
    EXPECT_EQ(last.find("left"), std::string::npos) << text;
    EXPECT_EQ(last.find("/500"), std::string::npos) << text;
    EXPECT_NE(last.find("loss 0.03"), std::string::npos) << text;
  }
}

TEST(Progress, ToleratesResumedStepsAndWrongTotals) {
  auto text = shown(true, [](std::FILE* out) {
    Progress progress(std::string(500, 'x'), 4, 3, {out, true});
    progress.set(9);
  });
  for (size_t start = 0, end; (end = text.find('\r', start)) != std::string::npos; start = end + 1)
    EXPECT_LT(end - start, 90u) << "a line must not wrap";
}

TEST(Progress, FormatsDurations) {
  EXPECT_EQ("0:00", format_duration(0));
  EXPECT_EQ("0:07", format_duration(6.6));
  EXPECT_EQ("12:45", format_duration(765));
  EXPECT_EQ("3:02:10", format_duration(10930));
  EXPECT_EQ("?", format_duration(1e300 * 1e300));
}

}  // namespace
}  // namespace emend
