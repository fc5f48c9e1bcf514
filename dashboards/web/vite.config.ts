import { defineConfig } from "vite";

// `npm run dev` shows the boards with live reload over a running gateway, or over `npm run mock`.
const gateway = "http://127.0.0.1:8080";

export default defineConfig({
  build: { target: "es2022", assetsInlineLimit: 0, cssCodeSplit: false, modulePreload: { polyfill: false } },
  server: {
    proxy: { "/api": { target: gateway, changeOrigin: true }, "/health": { target: gateway, changeOrigin: true } },
  },
});
