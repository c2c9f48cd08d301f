package opt

import "testing"

// Every pass says what it promises: weir ir and the manual show it.
func TestContracts(t *testing.T) {
	for _, name := range Names() {
		if Contract(name) == "" {
			t.Errorf("pass %s has no contract", name)
		}
	}
	if Contract("nosuch") != "" {
		t.Error("a pass that is not there has a contract")
	}
}
