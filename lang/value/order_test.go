package value

import "testing"

// TestCompare: texts that are written in order are in order when they are stored.
func TestCompare(t *testing.T) {
	pair := Type{Kind: Tuple, Elems: []Type{IP4T, U16}}
	for _, tt := range []struct {
		t     Type
		texts []string
	}{
		{U16, []string{"0", "255", "256", "65535"}},
		{I64, []string{"-256", "-1", "0", "1", "256"}},
		{BoolT, []string{"false", "true"}},
		{IP4T, []string{"1.0.0.2", "2.0.0.1", "192.0.2.1"}},
		{IPT, []string{"192.0.2.1", "192.0.2.2", "2001:db8::1"}},
		{MACT, []string{"02:00:00:00:00:01", "02:00:00:00:00:02", "f2:00:00:00:00:00"}},
		{Type{Kind: Prefix4}, []string{"0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/16", "10.1.0.0/16"}},
		{Type{Kind: Prefix6}, []string{"::/0", "2001:db8::/32", "2001:db8::/48"}},
		{Type{Kind: Prefix}, []string{"10.0.0.0/8", "10.0.0.0/24", "192.0.2.0/24", "2001:db8::/32"}},
		{pair, []string{"(1.0.0.1, 256)", "(1.0.0.2, 1)", "(1.0.0.2, 2)", "(1.0.0.2, 256)"}},
	} {
		for i, x := range tt.texts {
			for j, y := range tt.texts {
				a, err := tt.t.Parse(x)
				if err != nil {
					t.Fatal(err)
				}
				b, err := tt.t.Parse(y)
				if err != nil {
					t.Fatal(err)
				}
				want := 0
				if i != j {
					want = 1 - 2*min(1, max(0, j-i))
				}
				if got := tt.t.Compare(a, b); got != want {
					t.Errorf("%s: %s and %s: %d, want %d", tt.t, x, y, got, want)
				}
			}
		}
	}
}
