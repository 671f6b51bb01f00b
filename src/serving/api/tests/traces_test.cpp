#include "serving/testing/workbench_server.h"

namespace emend {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class WorkbenchTracesTest : public testing::WorkbenchTest {};

TEST_F(WorkbenchTracesTest, TracesHaveFigures) {
  const json settings = {{"rows", 1}, {"grid", 2}, {"components", "residual"}};
  const auto job = server_->ended("/api/trace", {{"prompt", "What is this?"},
                                                 {"image", picture()},
                                                 {"subject", "this"},
                                                 {"settings", settings}});
  ASSERT_EQ(job["status"], "done") << job;
  const auto& result = job["result"];
  for (const char* corrupted : {"image", "text"})
    EXPECT_THAT(result["svg"][corrupted].get<std::string>(), StartsWith("<svg"));
  EXPECT_THAT(result["overlay"].get<std::string>(), StartsWith("data:image/png;base64,"));
  EXPECT_EQ(result["runs"].size(), 2u);
  EXPECT_EQ(result["settings"]["rows"], 1);
  EXPECT_THAT(result["command"].get<std::string>(),
              AllOf(StartsWith("emend trace -m model --image "), HasSubstr("--subject this")));
  expect_refused(server_->post("/api/trace", {{"prompt", "What?"}, {"subject", "star"}}), 400,
                 "'subject'");
  expect_refused(server_->post("/api/trace", {{"prompt", "What?"}, {"settings", {{"rows", 0}}}}),
                 400, "rows");
}

}  // namespace
}  // namespace emend
