// Classes, virtual calls, templates, exceptions,
// lambdas, static locals. -DNEW_VERSION is the update.
#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace zoo {

class Animal {
 public:
  explicit Animal(std::string name) : name_(std::move(name)) {}
  virtual ~Animal() = default;
  virtual std::string speak() const = 0;
  virtual int legs() const { return 4; }
  const std::string& name() const { return name_; }

 protected:
  std::string name_;
};

class Dog : public Animal {
 public:
  using Animal::Animal;
  std::string speak() const override { return name_ + " barks"; }
};

class Bird : public Animal {
 public:
  using Animal::Animal;
  std::string speak() const override {
#ifdef NEW_VERSION
    return name_ + " sings " + std::to_string(legs()) + " songs";
#else
    return name_ + " sings";
#endif
  }
  int legs() const override { return 2; }
};

template <class T>
__attribute__((noinline)) T largest(const std::vector<T>& all) {
  if (all.empty()) throw std::invalid_argument("nothing to compare");
  T best = all[0];
  for (const T& x : all)
    if (best < x) best = x;
  return best;
}

class House {
 public:
  __attribute__((noinline)) void add(std::unique_ptr<Animal> a) {
    counts_[a->name()]++;
    all_.push_back(std::move(a));
  }
  __attribute__((noinline)) int legs() const {
    int n = 0;
    for (const auto& a : all_) n += a->legs();
    return n;
  }
  __attribute__((noinline)) void speak() const {
    for (const auto& a : all_) std::puts(a->speak().c_str());
  }
  __attribute__((noinline)) const Animal& find(const std::string& name) const {
    static int asked = 0;
    ++asked;
    auto it =
        std::find_if(all_.begin(), all_.end(), [&](const auto& a) { return a->name() == name; });
    if (it == all_.end())
      throw std::out_of_range("no " + name + " after " + std::to_string(asked) + " questions");
    return **it;
  }
#ifdef NEW_VERSION
  __attribute__((noinline)) void sort() {
    std::sort(all_.begin(), all_.end(),
              [](const auto& a, const auto& b) { return a->name() < b->name(); });
  }
#endif

 private:
  std::vector<std::unique_ptr<Animal>> all_;
  std::map<std::string, int> counts_;
};

}  // namespace zoo

int main(int argc, char** argv) {
  zoo::House house;
  house.add(std::make_unique<zoo::Dog>("rex"));
  house.add(std::make_unique<zoo::Bird>("tweety"));
#ifdef NEW_VERSION
  house.sort();
#endif
  house.speak();
  try {
    house.find(argc > 1 ? argv[1] : "nobody");
  } catch (const std::exception& e) {
    std::printf("%s\n", e.what());
  }
  std::vector<int> numbers{argc, house.legs(), 3};
  std::vector<std::string> words{"a", "b"};
  std::printf("%d %s\n", zoo::largest(numbers), zoo::largest(words).c_str());
  return 0;
}
