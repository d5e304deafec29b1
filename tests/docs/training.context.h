// What the document's fragments take for granted.
std::system("mkdir -p data");
xattn::save_png("data/1.png", torch::full({100, 130, 3}, 200, torch::kByte));
std::ofstream("data/1.txt") << "a red balloon over the sea\n바다 위의 빨간 풍선\n";
