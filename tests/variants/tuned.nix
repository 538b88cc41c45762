# Every setting of Ollama is another one.
{lib, ...}: {
  ollamalive.ollama.keepAlive = lib.mkForce (-1);
  ollamalive.ollama.contextLength = lib.mkForce 16384;
  ollamalive.ollama.flashAttention = lib.mkForce true;
  ollamalive.ollama.kvCacheType = lib.mkForce "q8_0";
  ollamalive.ollama.numParallel = lib.mkForce 4;
  ollamalive.ollama.maxLoadedModels = lib.mkForce 2;
  ollamalive.ollama.maxQueue = lib.mkForce 64;
  ollamalive.ollama.origins = lib.mkForce ["https://chat.example.com" "chrome-extension://*"];
  ollamalive.ollama.noCloud = lib.mkForce false;
  ollamalive.ollama.environment = lib.mkForce {OLLAMA_LOAD_TIMEOUT = "10m";};
  ollamalive.ollama.pull = lib.mkForce ["llama3.2" "qwen3:8b"];
  ollamalive.ollama.keepLoaded = lib.mkForce "llama3.2";
}
