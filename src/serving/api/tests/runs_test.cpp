#include "serving/testing/workbench_server.h"
#include "tests/example_run.h"

namespace emend {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class WorkbenchRunsTest : public testing::WorkbenchTest {};

TEST_F(WorkbenchRunsTest, RunsAreListedWithTheirReports) {
  const auto runs = workspace() + "/runs";
  testing::ExampleRun example;
  for (const char* name : {"/first", "/second"})
    example.write(runs + name, example.results(), example.lines());
  std::filesystem::create_directory(runs + "/broken");
  testing::write_text(runs + "/broken/results.json", "{}");
  const auto list = server_->get("/api/runs").second["runs"];
  ASSERT_EQ(list.size(), 3u);
  EXPECT_THAT(list[0]["problem"].get<std::string>(), HasSubstr("results.json"));
  EXPECT_EQ(list[1]["name"], "first");
  EXPECT_EQ(list[1]["suite"], "e-vqa");
  EXPECT_EQ(list[1]["protocol"], "mmedit-2024");
  EXPECT_EQ(list[1]["interrupted"], false);
  EXPECT_EQ(server_->get("/api/runs/first").second, read_json(runs + "/first/results.json"));
  const auto page = server_->client().Get("/api/runs/first/report");
  EXPECT_EQ(page->status, 200);
  EXPECT_THAT(page->get_header_value("Content-Type"), HasSubstr("text/html"));
  EXPECT_THAT(page->body, HasSubstr("e-vqa"));
  EXPECT_EQ(server_->client().Get("/api/runs/first/report?with=second")->status, 200);
  for (const char* path : {"/api/runs/none", "/api/runs/..", "/api/runs/none/report",
                           "/api/runs/first/report?with=../first"})
    EXPECT_EQ(server_->client().Get(path)->status, 404) << path;
  EXPECT_EQ(server_->client().Get("/api/runs/broken/report")->status, 400);
}

}  // namespace
}  // namespace emend
