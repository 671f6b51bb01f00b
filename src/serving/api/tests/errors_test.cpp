#include "serving/testing/workbench_server.h"

namespace emend {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class WorkbenchErrorsTest : public testing::WorkbenchTest {};

TEST_F(WorkbenchErrorsTest, BadRequestsNameTheField) {
  const auto refused = [&](json body, const std::string& said) {
    SCOPED_TRACE(body.dump().substr(0, 200));
    expect_refused(server_->post("/api/edits", body), 400, said);
  };
  refused(with(edit(), "mystery", 1), "'mystery' is unknown");
  refused(with(edit(), "prompt", " "), "'prompt'");
  refused(with(edit(), "prompt", 7), "'prompt'");
  refused(with(edit(), "prompt", std::string(30'000, 'x')), "'prompt' has 30000 bytes");
  refused(with(edit(), "target", nullptr), "'target'");
  refused(with(edit(), "editor", "magic"), "unknown editor 'magic'");
  refused(with(edit(), "editor", "ft,lora"), "unknown editor");
  refused(with(edit(), "module", "tail"), "tail");
  refused(with(edit(), "settings", {{"speed", 3}}), "speed");
  refused(with(edit(), "settings", {{"steps", "many"}}), "steps");
  refused(with(edit(), "settings", {{"a=b", 3}}), "a=b");
  refused(with(edit(), "settings", {{"steps", {{"x", 1}}}}), "'steps'");
  refused(with(edit(), "settings", "steps=3"), "'settings'");
  refused(with(edit(), "subject", "star"), "'subject'");
  refused(with(edit(), "rephrasings", "What?"), "'rephrasings'");
  refused(with(edit(), "rephrasings", {1}), "'rephrasings'");
  refused(with(edit(), "consequences", {{{"prompt", "What?"}}}), "'answer'");
  refused(with(edit(), "locality", {{{"question", "What?"}}}), "'question' is unknown");
  refused(with(edit(), "locality", {3}), "an element of 'locality' must be a JSON object");
  for (const int probes : {-1, 0}) refused(with(edit(), "probes", probes), "'probes'");
  refused(with(edit(), "patches", {"none"}), "no patch 'none'");
  refused(with(edit(), "patches", {"../x"}), "not the name of a patch");
  refused(with(edit(), "name", "../x"), "'name'");
  refused(with(edit(), "name", ".x"), "'name'");
  refused(with(edit(), "name", std::string(101, 'x')), "'name'");
  refused(with(edit(), "image", "https://example.org/cat.png"), "only data URLs");
  refused(with(edit(), "image", "data:image/png;base64,AAAA"), "picture of the request");
  refused(with(edit(), "image", 3), "'image'");
  // A picture that claims more pixels than the limit.
  std::string giant = read_file(model_->file("picture.png"));
  giant.replace(16, 4, std::string("\x00\x10\x00\x00", 4));
  refused(with(edit(), "image", "data:image/png;base64," + testing::encode_base64(giant)),
          "picture of the request");
  EXPECT_THAT(server_->get("/api/jobs").second["jobs"], json::array());

  expect_refused(server_->post("/api/ask", {{"prompt", "What?"}, {"alternatives", 1000}}), 400,
                 "'alternatives'");
  expect_refused(server_->post("/api/ask", {{"prompt", "What?"}, {"max_new_tokens", 65}}), 400,
                 "'max_new_tokens'");
  expect_refused(server_->post("/api/ask", json::array()), 400, "JSON object");
  expect_refused(server_->put("/api/stack", json::object()), 400, "'stack'");
  expect_refused(server_->put("/api/stack", {{"stack", nullptr}}), 400, "'stack' is missing");
  expect_refused(server_->put("/api/stack", {{"stack", {"none"}}}), 400, "no patch");
  const auto raw = [&](const std::string& body, const char* type) {
    return server_->client().Post("/api/ask", body, type)->status;
  };
  EXPECT_EQ(raw("{\"prompt\": ", "application/json"), 400);
  // Hints of the readers are about files.
  const auto broken = server_->client().Post("/api/ask", "{\"prompt\": ", "application/json")->body;
  EXPECT_THAT(broken, AllOf(HasSubstr("the body"), Not(HasSubstr("Hint"))));
  const auto sent =
      server_->post("/api/edits", with(edit(), "image", "data:image/png;base64,AAAA"));
  EXPECT_THAT(sent.second.dump(), Not(HasSubstr("Hint")));
  EXPECT_EQ(raw(edit().dump(), "text/plain"), 415);
  EXPECT_EQ(raw(std::string(2 << 20, ' '), "application/json"), 413);
}

TEST_F(WorkbenchErrorsTest, NamesAreNoPaths) {
  testing::write_text(folder_.file("secret.patch"), "secret");
  testing::write_text(folder_.file("work/secret.json"), "{\"id\": \"secret\"}");
  for (const char* path :
       {"/api/patches/..%2f..%2fsecret/file", "/api/patches/%2e%2e", "/api/patches/../../secret",
        "/api/jobs/..%2fsecret", "/api/jobs/%2e%2e%2fsecret/events", "/api/runs/%2e%2e"}) {
    const auto response = server_->client().Get(path);
    EXPECT_EQ(response->status, 404) << path;
    EXPECT_THAT(response->body, Not(HasSubstr("secret\"}"))) << path;
  }
  expect_refused(server_->post("/api/exports", {{"to", "hf"}, {"name", "../x"}}), 400, "'name'");
}

}  // namespace
}  // namespace emend
