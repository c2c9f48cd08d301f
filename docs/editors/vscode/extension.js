// The whole client: it starts "weir lsp" and hands chain files to it.
const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

exports.activate = () => {
  const command = vscode.workspace.getConfiguration("weir").get("path", "weir");
  client = new LanguageClient(
    "weir",
    "weir",
    { command, args: ["lsp"] },
    { documentSelector: [{ language: "weir" }] },
  );
  return client.start();
};

exports.deactivate = () => client?.stop();
