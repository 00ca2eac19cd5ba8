// Asks the server within a time, with the token that somebody typed.

export const TOKEN = "agnews-token";
const LONGEST = 20_000; // Milliseconds until a request counts as lost.

// Gives the response, what is in it as JSON (of a refusal nothing where it is none), and the token that went along. Throws
// where there is no whole answer in time, and where `signal` ends it.
export async function ask(path, { body, signal } = {}) {
  const token = sessionStorage.getItem(TOKEN);
  const ended = new AbortController();
  const limit = setTimeout(() => ended.abort(), LONGEST);
  signal?.addEventListener("abort", () => ended.abort());
  try {
    const response = await fetch(path, {
      method: body ? "POST" : "GET",
      headers: { ...(body && { "Content-Type": "application/json" }), ...(token && { Authorization: `Bearer ${token}` }) },
      body: body && JSON.stringify(body),
      signal: ended.signal,
    });
    const answer = await response.json().catch((error) => {
      // An answer that was cut off, or is no longer wanted, is none. A proxy's refusal may be anything.
      if (response.ok) throw error;
      return {};
    });
    return { response, answer, token };
  } finally {
    clearTimeout(limit);
  }
}
