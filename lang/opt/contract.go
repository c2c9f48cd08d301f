package opt

// contracts say what each pass promises, in one line.
var contracts = map[string]string{
	"fold":   "replaces a value by a simpler one that is equal: constants, identities, masks that change nothing",
	"cse":    "computes once what is computed twice, where the first result reaches the second place",
	"loads":  "shares loads and lookups that find the same memory, and gives a load what was stored",
	"slots":  "drops stores that nothing reads, and makes slots one that hold the same",
	"bounds": "drops checks of the packet's end that an earlier check implies, and joins neighbours to one",
	"hoist":  "moves out of a loop what every turn computes alike",
	"thread": "leads the ways that decide a test past it, and repairs what is used behind",
	"branch": "decides conditions that are known, leads jumps to where they end, joins blocks",
	"dce":    "drops what no effect needs: blocks without a way to them, values without a use",
}

// Contract returns what the pass of that name promises, one line without a full
// stop; "" if there is no such pass.
func Contract(name string) string {
	for _, p := range Passes {
		if p.Name == name {
			return contracts[name]
		}
	}
	return ""
}

// Names returns the names of the passes in the order in which they first run.
func Names() []string {
	var names []string
	for _, p := range Passes {
		names = append(names, p.Name)
	}
	return names
}
