// Gradio takes its own words, and the language that it names for the document, from the browser:
// here the browser speaks the page's language.
for (const [name, value] of Object.entries({ language: "{language}", languages: ["{language}"] }))
  Object.defineProperty(navigator, name, { value });
document.documentElement.lang = "{language}";
