// Package lsp is the language server: it speaks the Language Server Protocol
// 3.17 over a pair of streams (JSON-RPC 2.0 behind Content-Length headers) and
// tells an editor what the compiler knows of chain files.
//
// The parts:
//
//   - a [Server] reads messages one after another and answers them; it owns the
//     documents, which the editor sends and changes (sync.go);
//   - an analysis belongs to one version of a document: a short while after the
//     last change, or as soon as an answer needs it, the text is inspected (by
//     the compiler in a child process, see package child) and the diagnostics are
//     published. A newer version cancels it;
//   - a text that is half typed has a syntax error. [patched] replaces the lines
//     that are wrong so that the rest can be inspected, line for line;
//   - a view (view.go) joins text, place and facts, and says what an expression
//     is; hover, completion and definition read it.
//
// Names and descriptions come from the compiler's own tables (check.Builtins,
// check.Attributes); nothing of the language is listed here. Files are read only
// by what inspects. The server trusts no message: a place outside of a text is
// its end, and what is not understood is answered with an error.
package lsp
