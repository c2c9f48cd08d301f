package value

import "testing"

func TestJSON(t *testing.T) {
	inner := Type{Kind: Record, Names: []string{"n", "from"}, Elems: []Type{U16, IP4T}}
	tests := []struct {
		t    Type
		text string
		want string
	}{
		{U64, "18446744073709551615", "18446744073709551615"},
		{Type{Kind: Int, Width: 1, Signed: true}, "-3", "-3"},
		{BoolT, "True", "true"},
		{IPT, "2001:db8::1", `"2001:db8::1"`},
		{MACT, "02:00:00:00:00:01", `"02:00:00:00:00:01"`},
		{Type{Kind: Tuple, Elems: []Type{IP4T, U16}}, "(192.0.2.1, 53)", `["192.0.2.1",53]`},
		{Type{Kind: Record, Names: []string{"a", "in"}, Elems: []Type{U8, inner}}, "{a: 1, in: {n: 2, from: 192.0.2.9}}",
			`{"a":1,"in":{"n":2,"from":"192.0.2.9"}}`},
	}
	for _, tt := range tests {
		b, err := tt.t.Parse(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(tt.t.JSON(b)); got != tt.want {
			t.Errorf("%s of type %s: %s, want %s", tt.text, tt.t, got, tt.want)
		}
	}
}
