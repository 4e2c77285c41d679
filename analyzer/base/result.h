// A value or the sentence that says why there is none.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace mx::analyzer {

// One clear line for a person, without a newline at the end.
struct Error {
  std::string sentence;
};

// Holds a T or an Error, never both. REQUIRES: value() only when ok(), error() only when !ok().
template <class T>
class Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() { return std::get<0>(state_); }
  const T& value() const { return std::get<0>(state_); }
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

// For work that has no value to give back: empty is success.
using Status = std::optional<Error>;

}  // namespace mx::analyzer
