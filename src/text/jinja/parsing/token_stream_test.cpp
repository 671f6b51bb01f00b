#include "text/jinja/parsing/token_stream.h"

#include <gtest/gtest.h>

#include "text/jinja/parsing/lexer.h"
#include "text/testing/jinja.h"

namespace emend::text::jinja {
namespace {

TEST(TokenStream, ReadsTokensInOrder) {
  TokenStream tokens(tokenize("{{ a.b }}"));
  EXPECT_EQ(tokens.peek().text, "a");
  EXPECT_EQ(tokens.next().text, "{{");
  EXPECT_EQ(tokens.now().text, "a");
  EXPECT_FALSE(tokens.take_name("b"));
  EXPECT_FALSE(tokens.take_sign("a"));  // a name, not a sign
  EXPECT_TRUE(tokens.take_name("a"));
  EXPECT_TRUE(tokens.take_sign("."));
  EXPECT_TRUE(tokens.now_is(Token::Kind::name, "b"));
  EXPECT_EQ(tokens.expect(Token::Kind::name).text, "b");
  EXPECT_EQ(tokens.expect(Token::Kind::output_end).text, "}}");
  EXPECT_EQ(tokens.now().kind, Token::Kind::end);
  EXPECT_EQ(tokens.peek().kind, Token::Kind::end);
}

TEST(TokenStream, NamesTheUnexpectedTokenAndItsLine) {
  TokenStream tokens(tokenize("\n{{ a }}"));
  tokens.next();  // text
  tokens.next();
  EXPECT_EQ(failure_of([&] { tokens.expect_sign("("); }), "line 2: 'a' is unexpected");
  EXPECT_EQ(failure_of([&] { tokens.expect(Token::Kind::string); }), "line 2: 'a' is unexpected");
  tokens.next();
  tokens.next();
  EXPECT_EQ(failure_of([&] { tokens.next(); }), "line 2: the template ends too early");
}

TEST(TokenStream, LimitsTheNestingOfConstructs) {
  TokenStream tokens(tokenize("x"));
  std::vector<std::unique_ptr<TokenStream::Nested>> open;
  for (int i = 0; i < 400; ++i) open.push_back(std::make_unique<TokenStream::Nested>(tokens));
  EXPECT_EQ(failure_of([&] { TokenStream::Nested one_more(tokens); }),
            "line 1: the template is nested too deeply");
  open.clear();
}

TEST(TokenStream, CountsOnlyOpenConstructs) {
  TokenStream tokens(tokenize("x"));
  for (int i = 0; i < 1000; ++i) TokenStream::Nested closed(tokens);
}

}  // namespace
}  // namespace emend::text::jinja
