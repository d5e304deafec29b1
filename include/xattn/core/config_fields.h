#pragma once

#include <cstdint>

namespace xattn {

/// The kinds of fields that a model's config.json has.
///
/// A config names each of its fields once, in `visit_fields(config, fields)`, by a call of the kind
/// that it is. Whoever reads, writes, checks or prints configs derives from this class and hides
/// the kinds that it cares for; the others do nothing.
struct ConfigFields {
  /// A field that only says what the file is: it is written and not read.
  template <typename Text>
  void label(const char* /*name*/, const Text& /*text*/) {}

  /// A field whose type is its member's. An optional one may be null.
  template <typename Member>
  void value(const char* /*name*/, Member& /*member*/) {}

  /// As `value`, but null stands for the default.
  template <typename Member>
  void null_is_default(const char* /*name*/, Member& /*member*/) {}

  /// A whole number, or a list of them, from `least` to `most`.
  template <typename Member>
  void in_range(const char* /*name*/, Member& /*member*/, int64_t /*least*/, int64_t /*most*/) {}

  /// One value that stands for all blocks, or a list of one for each.
  template <typename List>
  void each_block(const char* /*name*/, List& /*list*/, std::size_t /*blocks*/) {}

  /// As `each_block`, of whole numbers from `least` to `most`.
  template <typename List>
  void each_block(const char* /*name*/, List& /*list*/, std::size_t /*blocks*/, int64_t /*least*/,
                  int64_t /*most*/) {}

  /// One of these values, because only they are implemented.
  template <typename Member, typename... Values>
  void choice(const char* /*name*/, Member& /*member*/, const Values&... /*values*/) {}

  /// A height and a width, one number for both, or null.
  template <typename List>
  void height_and_width(const char* /*name*/, List& /*sizes*/) {}

  /// A height and a width, of which only the height is used, or one number for both.
  template <typename Member>
  void height_of(const char* /*name*/, Member& /*height*/) {}

  /// A field that is always written with the same value, and read with that or one of `others`.
  template <typename Value, typename... Others>
  void constant(const char* /*name*/, const Value& /*value*/, const Others&... /*others*/) {}

  /// A field that only the original implements: refused unless it has one of these values.
  template <typename... Values>
  void only(const char* /*name*/, const Values&... /*values*/) {}

  /// Fields that the original knows, and that the model does not depend on.
  template <typename Names>
  void without_effect(const Names& /*names*/) {}
};

}  // namespace xattn
