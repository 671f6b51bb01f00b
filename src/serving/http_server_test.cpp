#include "serving/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>

#include "io/error.h"
#include "io/files/file.h"
#include "io/testing.h"
#include "serving/testing/encode_base64.h"
#include "tests/tiny_models.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// A connection on which a test sends any bytes. Nothing takes longer than ten seconds.
class RawConnection {
 public:
  explicit RawConnection(int port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const timeval limit{10, 0};
    for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO})
      ::setsockopt(socket_, SOL_SOCKET, option, &limit, sizeof limit);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;
  ~RawConnection() { ::close(socket_); }

  bool connected() const { return connected_; }
  // Sends requests and returns what the server answers until it closes the connection.
  std::string answer(const std::string& request) const {
    if (::send(socket_, request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size()))
      return "the request cannot be sent";
    std::string answer, part(4096, '\0');
    for (;;) {
      const auto size = ::recv(socket_, part.data(), part.size(), 0);
      if (size <= 0) return answer;
      answer.append(part, 0, static_cast<size_t>(size));
    }
  }

 private:
  int socket_;
  bool connected_ = false;
};

// A server of the bundled architecture with a patch that changes the output layer.
class HttpServerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    testing::write_tiny_vlm(folder_->file("model"), 0);
    write_png(folder_->file("picture.png"), *testing::noise_image(1));
    vlm_ = std::make_unique<Vlm>(load_vlm(folder_->file("model")));
    models_ = std::make_unique<ModelNames>(*vlm_);
    at::manual_seed(1);
    for (const char* name : {"lyon", "rome"}) models_->add(name, random_patch());
    EngineOptions options;
    options.max_waiting = 50;
    engine_ = std::make_unique<Engine>(*vlm_, *models_, options);
    ServerOptions served;
    served.port = 0;
    served.question_template = "Question: {} Short answer:";
    served.limits.default_new_tokens = 6;
    served.max_body_bytes = 1 << 20;
    server_ = std::make_unique<HttpServer>(served);
    thread_ = std::thread([] { server_->run(*vlm_, *models_, *engine_); });
  }
  static void TearDownTestSuite() {
    server_->stop();
    thread_.join();
    server_.reset();
    engine_.reset();
    models_.reset();
    vlm_.reset();
    folder_.reset();
  }

  static Patch random_patch() {
    const auto& site = vlm_->model->sites().back();
    Patch patch;
    patch.base = vlm_->fingerprint();
    patch.editor = "ft";
    patch.deltas = {{site.name, {at::randn({site.out, site.in}) * 3, {}, {}}}};
    patch.id = patch_id(patch);
    return patch;
  }

  static httplib::Client client() {
    httplib::Client client("127.0.0.1", server_->port());
    client.set_read_timeout(60);
    return client;
  }
  static json question(const std::string& model = "base") {
    return {{"model", model}, {"messages", {{{"role", "user"}, {"content", "What is this?"}}}}};
  }
  static json with_picture(const std::string& url) {
    return {{"model", "base"},
            {"messages",
             {{{"role", "user"},
               {"content",
                {{{"type", "image_url"}, {"image_url", {{"url", url}}}},
                 {{"type", "text"}, {"text", "What is this?"}}}}}}}};
  }
  static std::pair<int, json> post(const json& body) {
    auto response = client().Post("/v1/chat/completions", body.dump(), "application/json");
    if (!response) return {0, {}};
    return {response->status, json::parse(response->body, nullptr, false)};
  }
  static std::string answer(const json& body) {
    const auto [status, response] = post(body);
    if (status != 200) return response.dump();
    return response["choices"][0]["message"]["content"];
  }
  // The answer of the program without the server.
  static std::string direct(const std::string& model, bool picture = false) {
    GenerationOptions options;
    options.max_new_tokens = 6;
    Query query{std::nullopt, "Question: What is this? Short answer:"};
    if (picture) query.image = *testing::noise_image(1);
    return generate(*vlm_, {query}, models_->find(model)->interventions(*vlm_), options).at(0);
  }
  static void expect_refused(const json& body, int status, const std::string& said) {
    const auto [code, response] = post(body);
    EXPECT_EQ(code, status) << response;
    EXPECT_THAT(response["error"].value("message", ""), HasSubstr(said));
  }

  inline static std::unique_ptr<TemporaryFolder> folder_;
  inline static std::unique_ptr<Vlm> vlm_;
  inline static std::unique_ptr<ModelNames> models_;
  inline static std::unique_ptr<Engine> engine_;
  inline static std::unique_ptr<HttpServer> server_;
  inline static std::thread thread_;
};

TEST_F(HttpServerTest, EverySetOfPatchesIsAModel) {
  const auto list = json::parse(client().Get("/v1/models")->body);
  std::vector<std::string> names;
  for (const auto& model : list["data"]) names.push_back(model["id"]);
  EXPECT_THAT(names, ElementsAre("base", "base+lyon", "base+rome"));
  std::set<std::string> answers;
  for (const char* model : {"base", "base+lyon", "base+rome", "base+lyon+rome"}) {
    EXPECT_EQ(answer(question(model)), direct(model)) << model;
    answers.insert(direct(model));
  }
  EXPECT_GE(answers.size(), 3u);
  EXPECT_EQ(json::parse(client().Get("/v1/models/base+rome+lyon")->body)["object"], "model");
  for (const char* model : {"lyon", "base+", "base+none", "base+lyon+lyon", "basement", ""})
    expect_refused(question(model), 404, "Model names are");
}

TEST_F(HttpServerTest, AnswersAboutPictures) {
  const auto bytes = read_file(folder_->file("picture.png"));
  const auto url = "data:image/png;base64," + testing::encode_base64(bytes);
  EXPECT_EQ(answer(with_picture(url)), direct("base", true));
  expect_refused(with_picture("https://example.org/cat.png"), 400, "only data URLs");
  expect_refused(with_picture("data:image/png;base64,@@@@"), 400, "not valid base64");
  expect_refused(with_picture("data:image/png;base64,AAAA"), 400, "picture of the request");
}

TEST_F(HttpServerTest, StreamsTheSameText) {
  auto body = question();
  body["stream"] = true;
  body["stream_options"] = {{"include_usage", true}};
  const auto response = client().Post("/v1/chat/completions", body.dump(), "application/json");
  ASSERT_EQ(response->status, 200);
  EXPECT_THAT(response->get_header_value("Content-Type"), HasSubstr("text/event-stream"));
  std::string text, reason;
  json usage;
  std::istringstream lines(response->body);
  bool done = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) continue;
    ASSERT_TRUE(line.starts_with("data: "));
    done = line == "data: [DONE]";
    if (done) break;
    const auto event = json::parse(line.substr(6));
    if (event.contains("usage")) usage = event["usage"];
    for (const auto& choice : event["choices"]) {
      text += choice["delta"].value("content", "");
      if (!choice["finish_reason"].is_null()) reason = choice["finish_reason"];
    }
  }
  EXPECT_TRUE(done);
  EXPECT_EQ(text, direct("base"));
  EXPECT_THAT(reason, ::testing::AnyOf("stop", "length"));
  EXPECT_GT(usage["prompt_tokens"], 0);
}

TEST_F(HttpServerTest, StopTextsAndLimitsEndTheAnswer) {
  const auto whole = direct("base");
  ASSERT_GE(whole.size(), 2u);
  auto body = question();
  const auto stop = whole.substr(whole.size() / 2, 1);
  body["stop"] = stop;
  EXPECT_EQ(answer(body), whole.substr(0, whole.find(stop)));
  EXPECT_EQ(post(body).second["choices"][0]["finish_reason"], "stop");
  body = question();
  body["max_tokens"] = 1;
  const auto [status, response] = post(body);
  EXPECT_EQ(response["usage"]["completion_tokens"], 1);
  EXPECT_EQ(response["choices"][0]["finish_reason"], "length");
}

TEST_F(HttpServerTest, BadRequestsNameTheField) {
  const auto with = [](const char* field, json value) {
    auto body = question();
    body[field] = std::move(value);
    return body;
  };
  expect_refused(with("temperature", 3), 400, "'temperature'");
  expect_refused(with("temperature", "hot"), 400, "'temperature'");
  expect_refused(with("top_p", 0), 400, "'top_p'");
  expect_refused(with("max_tokens", 0), 400, "'max_tokens'");
  expect_refused(with("max_tokens", 1e30), 400, "'max_tokens'");
  expect_refused(with("n", 2), 400, "'n' must be 1");
  expect_refused(with("tools", {{{"type", "function"}}}), 400, "'tools'");
  expect_refused(with("stop", {"a", "b", "c", "d", "e"}), 400, "'stop'");
  expect_refused(with("stop", ""), 400, "'stop'");
  expect_refused(with("stream", "yes"), 400, "'stream'");
  expect_refused(with("mystery", 1), 400, "'mystery' is not supported");
  expect_refused(with("messages", json::array()), 400, "'messages'");
  expect_refused(with("messages", {{{"role", "robot"}, {"content", "x"}}}), 400, "role");
  expect_refused(with("messages", {{{"role", "user"}, {"content", 3}}}), 400, "content");
  expect_refused(with("messages", {{{"role", "user"}, {"content", " "}}}), 400, "empty");
  expect_refused(with("messages", {{{"role", "system"}, {"content", "Be brief."}},
                                   {{"role", "user"}, {"content", "What?"}}}),
                 400, "no chat template");
  expect_refused(json::array(), 400, "JSON object");
  const auto raw = [](const std::string& body, const char* type) {
    auto response = client().Post("/v1/chat/completions", body, type);
    return std::pair{response->status, response->body};
  };
  EXPECT_EQ(raw("{\"model\": ", "application/json").first, 400);
  EXPECT_EQ(raw(question().dump(), "text/plain").first, 415);
  const auto [status, body] = raw(std::string(2 << 20, ' '), "application/json");
  EXPECT_EQ(status, 413);
  EXPECT_THAT(body, HasSubstr("too large"));
  EXPECT_EQ(client().Get("/nothing")->status, 404);
}

TEST_F(HttpServerTest, AWrongMethodIsRefusedWithTheAllowedOnes) {
  const auto read = client().Get("/v1/chat/completions");
  EXPECT_EQ(read->status, 405);
  EXPECT_EQ(read->get_header_value("Allow"), "POST");
  const auto written = client().Post("/v1/models", "{}", "application/json");
  EXPECT_EQ(written->status, 405);
  EXPECT_EQ(written->get_header_value("Allow"), "GET, HEAD");
  EXPECT_THAT(written->body, HasSubstr("/v1/models does not accept POST, only GET, HEAD"));
}

// Such a request is answered at once, not after the time limit of the body.
TEST_F(HttpServerTest, ABodyNeedsALength) {
  const std::string begin = " /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n";
  // After the error, the bytes that follow are not taken for a request.
  const std::string next = "\r\nGET /health HTTP/1.1\r\n\r\n";
  const auto expect_refused_length = [&](const std::string& request, const std::string& status) {
    const auto answer = RawConnection(server_->port()).answer(request + next);
    EXPECT_THAT(answer, HasSubstr("HTTP/1.1 " + status)) << request;
    EXPECT_THAT(answer, HasSubstr("invalid_request_error")) << request;
    EXPECT_THAT(answer, Not(HasSubstr("200 OK"))) << request;
  };
  for (const std::string method : {"POST", "PUT"}) expect_refused_length(method + begin, "411");
  for (const std::string length : {"-5", "5 6", "1e3", "5\r\nContent-Length: 6"})
    expect_refused_length("POST" + begin + "Content-Length: " + length + "\r\n", "400");
  expect_refused_length("POST" + begin + "Content-Length: 99999999999999999999\r\n", "413");
  expect_refused_length("DELETE" + begin + "Content-Length: -5\r\n", "400");
}

// Clients that connect before the server accepts them wait and are not refused.
TEST_F(HttpServerTest, ManyConnectionsWait) {
  ServerOptions served;
  served.port = 0;
  const HttpServer server(served);
  std::vector<std::unique_ptr<RawConnection>> connections;
  for (int i = 0; i < 100; ++i) {
    connections.push_back(std::make_unique<RawConnection>(server.port()));
    ASSERT_TRUE(connections.back()->connected()) << i;
  }
}

TEST_F(HttpServerTest, RequestsOfOtherHostNamesAreRefused) {
  EXPECT_EQ(client().Get("/v1/models", {{"Host", "evil.example"}})->status, 403);
  EXPECT_EQ(client().Get("/v1/models", {{"Host", "localhost:8080"}})->status, 200);
  EXPECT_EQ(client().Get("/health")->status, 200);
}

TEST_F(HttpServerTest, ManyClientsGetTheirOwnAnswers) {
  std::map<std::string, std::string> expected;
  for (const auto& model : models_->list()) expected[model] = direct(model);
  const auto before = engine_->counts();
  std::atomic<int> right = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < 12; ++i)
    clients.emplace_back([&, i] {
      const auto model = models_->list()[static_cast<size_t>(i) % 3];
      for (int k = 0; k < 3; ++k) right += answer(question(model)) == expected[model];
    });
  for (auto& thread : clients) thread.join();
  EXPECT_EQ(right, 36);
  const auto after = engine_->counts();
  EXPECT_EQ(after.requests - before.requests, 36);
  EXPECT_EQ(after.failed, before.failed);
  EXPECT_LT(after.batches - before.batches, 36);  // waiting requests ran together
  EXPECT_THAT(client().Get("/metrics")->body, HasSubstr("emend_requests_waiting 0"));
}

TEST_F(HttpServerTest, StopsAtAnyTime) {
  ServerOptions served;
  served.port = 0;
  for (int i = 0; i < 20; ++i) {
    HttpServer server(served);
    std::thread thread([&] { server.run(*vlm_, *models_, *engine_); });
    server.stop();  // before, while or after the server begins to listen
    thread.join();
  }
}

TEST_F(HttpServerTest, ATokenIsRequired) {
  ServerOptions served;
  served.port = 0;
  served.token = "correct horse";
  served.question_template = "{}";
  HttpServer server(served);
  std::thread thread([&] { server.run(*vlm_, *models_, *engine_); });
  httplib::Client client("127.0.0.1", server.port());
  EXPECT_EQ(client.Get("/v1/models")->status, 401);
  EXPECT_EQ(client.Get("/v1/models", {{"Authorization", "Bearer correct"}})->status, 401);
  EXPECT_EQ(client.Get("/v1/models", {{"Authorization", "Bearer correct horse"}})->status, 200);
  EXPECT_EQ(client.Get("/health")->status, 200);
  server.stop();
  thread.join();
  EXPECT_EQ(server.requests(), 4);  // a request is counted after its answer was sent
  served.token.clear();
  served.host = "0.0.0.0";
  EXPECT_THAT(error_of([&] { HttpServer{served}; }), HasSubstr("without a token"));
  served.host = "127.0.0.1";
  served.port = server_->port();
  EXPECT_THAT(error_of([&] { HttpServer{served}; }), HasSubstr("cannot be used"));
}

}  // namespace
}  // namespace emend
