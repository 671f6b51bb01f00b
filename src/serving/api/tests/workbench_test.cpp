#include "serving/testing/workbench_server.h"

namespace emend {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

using testing::WorkbenchTest;

TEST_F(WorkbenchTest, DescribesTheModelAndItsEditors) {
  const auto model = server_->get("/api/model").second;
  EXPECT_EQ(model["model"], vlm_->folder);
  EXPECT_EQ(model["base"], vlm_->fingerprint());
  EXPECT_EQ(model["architecture"], "Blip2ForConditionalGeneration");
  EXPECT_EQ(model["text_only"], false);
  EXPECT_EQ(model["workspace"], workspace());
  EXPECT_EQ(model["modules"], json({"language", "connector", "vision_tower"}));
  EXPECT_EQ(model["question_template"], "Question: {} Short answer:");
  EXPECT_EQ(model["examples"], json::array());
  EXPECT_EQ(model["editors"][0]["name"], "ft");
  EXPECT_EQ(model["editors"][0]["settings"][0].size(), 4u);
  EXPECT_EQ(model["exports"]["hf"], nullptr);
  EXPECT_THAT(model["exports"]["gguf"].get<std::string>(),
              HasSubstr("llama.cpp does not run Blip2ForConditionalGeneration"));
}

TEST_F(WorkbenchTest, AnswersHaveProbabilities) {
  const auto answer = ask({{"alternatives", 3}});
  GenerationOptions options;
  options.max_new_tokens = 6;
  const Query query{std::nullopt, "Question: What is this? Short answer:"};
  EXPECT_EQ(answer["answer"], generate(*vlm_, {query}, {}, options).at(0));
  EXPECT_EQ(answer["prompt"], query.text);
  EXPECT_GT(answer["seconds"], 0);
  const bool truncated = answer["truncated"];
  std::string text;
  ASSERT_FALSE(answer["tokens"].empty());
  for (const auto& token : answer["tokens"]) {
    text += token["text"].get<std::string>();
    ASSERT_EQ(token["alternatives"].size(), 3u);
    // Greedy: the token is the most probable one.
    EXPECT_NEAR(token["probability"], token["alternatives"][0]["probability"], 1e-5);
    EXPECT_GE(token["alternatives"][0]["probability"], token["alternatives"][1]["probability"]);
  }
  EXPECT_EQ(text, answer["answer"]);
  EXPECT_EQ(answer["tokens"].back().contains("end"), !truncated);

  // The probability of the first token by another way.
  const auto logits = teacher_force(*vlm_, {query}, {" x"}).at(0);
  const auto first = at::softmax(logits.logits[logits.answer_begin - 1], -1).max().item<float>();
  EXPECT_NEAR(answer["tokens"][0]["probability"], first, 1e-5);

  EXPECT_EQ(ask()["logits"], answer["logits"]);
  const auto seen = ask({{"image", picture()}});
  EXPECT_NE(seen["logits"], answer["logits"]);
  EXPECT_EQ(ask({{"image", picture()}})["logits"], seen["logits"]);
  EXPECT_EQ(ask({{"template", false}})["prompt"], "What is this?");
}

TEST_F(WorkbenchTest, OneServerUsesAWorkspace) {
  EXPECT_THAT(error_of([&] { testing::WorkbenchServer(*vlm_, workspace()); }),
              HasSubstr("another server"));
}

TEST_F(WorkbenchTest, WithoutAWorkspaceNothingIsWritten) {
  testing::WorkbenchServer server(*vlm_, "");
  EXPECT_EQ(server.get("/api/model").second["workspace"], nullptr);
  EXPECT_EQ(
      server.get("/api/patches").second,
      json({{"stack", json::array()}, {"patches", json::array()}, {"warnings", json::array()}}));
  EXPECT_EQ(server.get("/api/runs").second["runs"], json::array());
  EXPECT_EQ(server.post("/api/ask", {{"prompt", "What?"}}).first, 200);
  for (const char* path : {"/api/edits", "/api/trace", "/api/exports", "/api/patches"})
    expect_refused(server.post(path, json::object()), 400, "--workspace");
  expect_refused(server.put("/api/stack", {{"stack", json::array()}}), 400, "--workspace");
}

TEST_F(WorkbenchTest, ThePageNeedsNoToken) {
  ServerOptions options;
  options.token = "correct horse";
  testing::WorkbenchServer server(*vlm_, "", options);
  const auto page = server.client().Get("/");
  EXPECT_EQ(page->status, 200);
  EXPECT_THAT(page->body, HasSubstr("<html"));
  EXPECT_THAT(page->get_header_value("Content-Security-Policy"), HasSubstr("default-src 'self'"));
  EXPECT_EQ(page->get_header_value("Cache-Control"), "no-store");
  EXPECT_THAT(server.client().Get("/workbench.css")->get_header_value("Content-Type"),
              HasSubstr("text/css"));
  EXPECT_THAT(server.client().Get("/workbench.js")->get_header_value("Content-Type"),
              HasSubstr("javascript"));
  for (const char* path : {"/api/model", "/api/patches", "/api/jobs", "/api/runs"}) {
    EXPECT_EQ(server.client().Get(path)->status, 401) << path;
    EXPECT_EQ(server.client().Get(path, {{"Authorization", "Bearer correct horse"}})->status, 200);
  }
  // Frames and downloads send a cookie. It allows nothing but reading.
  const httplib::Headers cookie = {{"Cookie", "other=1; emend_token=636f727265637420686f727365"}};
  EXPECT_EQ(server.client().Get("/api/runs", cookie)->status, 200);
  EXPECT_EQ(server.client().Get("/v1/models", cookie)->status, 401);
  EXPECT_EQ(server.client().Post("/api/ask", cookie, "{}", "application/json")->status, 401);
  EXPECT_EQ(server.client().Get("/api/runs", {{"Cookie", "emend_token=63"}})->status, 401);
  EXPECT_EQ(server.client().Post("/api/ask", "{}", "application/json")->status, 401);
  EXPECT_EQ(server.client().Delete("/api/jobs/000001")->status, 401);
  EXPECT_EQ(server_->client().Get("/", {{"Host", "evil.example"}})->status, 403);
  EXPECT_EQ(server_->client().Get("/api/model", {{"Host", "evil.example"}})->status, 403);
}

}  // namespace
}  // namespace emend
