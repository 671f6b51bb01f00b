"""Small pieces of Jinja, and the variables that they use, for make_chat_fixtures.py."""

# The variables of all pieces.
DATA = {"s": " Hi there, you ", "e": "", "u": "naïve 星x", "n": 7, "m": -3, "f": 2.5, "big": 1e16, "t": True, "z": None,
        "l": [3, 1, 2], "w": ["a", "b", "c"], "d": {"x": 1, "y": {"z": "deep"}, "k": [1, 2]},
        "people": [{"name": "Ann", "age": 3, "pet": {"kind": "cat"}}, {"name": "Bob", "age": 0},
                   {"name": "Cy", "age": 5, "pet": {"kind": "dog"}}]}
EXPRESSIONS = """
s|trim
s.strip()
s.lstrip() ~ '|'
s.rstrip() ~ '|'
'xxaxx'.strip('x')
'xyaxy'|trim('xy')
s.split()
s.split()|join('-')
'a,b,,c'.split(',')|join('|')
'a,b,c'.split(',', 1)|join('|')
' a  b  c '.split(none, 1)|join('|')
'a--b--c'.split('--')[-1]
s.startswith(' Hi') and s.endswith('you ')
'abc'.startswith(('x', 'ab'))
'aXbX'.replace('X', '-')
'aXbX'.replace('X', '-', 1)
'aXbX'|replace('X', '')
s.upper() + s.lower()
'hELLO wORLD'|capitalize
'hELLO wORLD'.capitalize()
'hello world'.title()
'-'.join(w)
w|join
w|join(', ')
l|join('/')
people|join(', ', attribute='name')
u|length
l|length + d|count
e|length
missing|length
s|length > 3
u[0] ~ u[-1] ~ u[2]
u[2:4]
u[::-1]
l[0] ~ l[-1]
l[1:]|join(',')
l[:-1]|join(',')
l[::-1]|join(',')
l[::2]|join(',')
l[5:]|join(',')
l[-2:]|join(',')
l[10] is defined
l[3]|default('none there')
w[:1] == ['a']
(w + ['d'])|join
n + m
n - m
n * m
n / 2
n // 2
m // 2
n % 3
m % 5
-n
- n + 2
1 + 2 * 3 - 4
(1 + 2) * 3
7 // 2 * 2
1.5 + 1
f * 2
2 * 'ab'
'ab' * 2
big
f
10 / 4
0.1 + 0.2
1e3
1_000 + 1
n == 7
n == 7.0
t == 1
n != 7
n > m
n >= 7 and m <= -3
'a' < 'b'
not n
not e
not missing
e or 'fallback'
n and 'yes'
e and n
none or false
t and t or false
z is none
z is not none
missing is defined
missing is not defined
missing is undefined
n is defined
d.x is defined
d.q is defined
d['q'] is defined
d.y.z
d['y']['z']
d.y['z']
d.k[1]
d.k.0
missing
z
t
n is number
f is float
n is integer
t is integer
t is boolean
t is true
n is true
s is string
l is string
l is iterable
s is iterable
n is iterable
d is mapping
l is mapping
l is sequence
s is sequence
n is odd
n is even
n is equalto 7
n is eq(8)
n is ne 8
n is lt 8
n is gt(8)
n is in [1, 7]
'a' is in w
'there' in s
'x' in d
'q' not in d
3 in l
9 not in l
e in s
'image' in missing
not 'a' in w
'a' if n > 3 else 'b'
'a' if n < 3 else 'b'
'a' if n < 3
'a' if e else 'b' if t else 'c'
'x' ~ n ~ f ~ t ~ z ~ missing
'a' 'b' "c"
"tab\\there\\nline \\x41\\u0042 \\101 \\q \\\\ \\'"
n|string + 'x'
missing|default('d')
missing|d('d')
e|default('d')
e|default('d', true)
z|default('d')
missing|default
l|first
l|last
e|first is defined
w|first ~ w|last
u|list|join('.')
d|list|join(',')
d.keys()|list|join(',')
d.y.values()|list|join(',')
d.y.items()|list|length
d.get('x')
d.get('q', 'none')
d.get('q')
people|map(attribute='name')|join(', ')
people|map(attribute='pet.kind')|join('/')
people|map(attribute='pet.kind', default='none')|join('/')
w|map('upper')|join
z|map('upper')|join
z|selectattr('type', 'equalto', 'image')|list|length
w|map('replace', 'a', 'z')|join
people|selectattr('age')|map(attribute='name')|join(',')
people|rejectattr('age')|map(attribute='name')|join(',')
people|selectattr('age', 'gt', 2)|map(attribute='name')|join(',')
people|selectattr('name', 'equalto', 'Bob')|list|length
people|selectattr('name', 'in', ['Ann', 'Cy'])|list|length
people|selectattr('pet', 'defined')|list|length
people|rejectattr('pet', 'undefined')|list|length
people|selectattr('name', '==', 'Nobody')|first is defined
'yes' if people|selectattr('name', '==', 'Nobody') else 'no'
'yes' if people|selectattr('name', '==', 'Nobody')|list else 'no'
d|tojson
d|tojson(indent=2)
people|tojson
[1, 2.0, none, true, 'a\\n"b"\\\\\\t', [], {}]|tojson(indent=1)
u|tojson
big|tojson
{'a': 1, 'b': [n, m], 'a': 2}|tojson
{'x': n}['x']
{'x': {'y': 2}}.x.y
{'items': 1}['items']
{'x': 1}['items'] is defined
{'x': 1}.items is defined
s.format is defined
n.real
d.keys is defined
[1, 2, [3, 4]][2][1]
(1, 2)[1]
()|length
[]|length
range(3)|join(',')
range(2, 8, 3)|join(',')
range(5, 0, -2)|join(',')
range(0)|list|length
l == [3, 1, 2]
d == {'x': 1, 'y': {'z': 'deep'}, 'k': [1, 2]}
[1, 'a'] == [1.0, 'a']
none == false
missing == other_missing
'A' == 'a'|upper
-3|string
(n, m)|join('&')
n if missing is defined else m
not z is none
not (z is none)
people[0].name ~ people[-1]['name']
people[0]['pet']['kind']
people[1].pet is defined
people[1].pet.kind
missing.attribute
missing['item']
missing + 'x'
n + 'x'
'x' + z
l + 1
z.strip()
missing.strip()
s.pet
n.pet is defined
z.pet is defined
n|length
none|length
n in 7
n < 'a'
1 // 0
n[0] is defined
l['a'] is defined
'%s' % n
l|selectattr('a')|length
raise_exception('no: ' ~ n)
namespace(a=1).a
""".strip("\n").split("\n")

PIECES = [
    "", "plain", "a\n", "a\n\n", "\n", "{{ n }}\n", "{{ n }}\n\nx", "a\r\nb\rc\n", "  {{ n }}  \n  b",
    "{% if t %}\nyes\n{% endif %}\nend", "a\n  {% if t %}  \n  yes\n  {% endif %}  \nend", "a {% if t %} b {% endif %} c",
    "a\n  {%- if t -%}  \n  yes  \n {%- endif -%}  \n end", "a\n  {%+ if t +%}  \n  yes\n  {%+ endif %}\nend",
    "a\n  {{- n -}}  \n b", "a {{+ n }} b", "x {#- gone -#}  \n y", "x\n  {# gone #}\n y", "x {#+ a #}\ny{#  +#}\nz", "{# {{ n }} {% if %} #}k",
    "\t {% set a = 1 %}\n\t{{ a }}\n", "{% set a = 1 %}{% set a = a + 1 %}{{ a }}", "{% set a, b = 1, 2 %}{{ b }}{{ a }}",
    "{% set a = 1, 2 %}{{ a|join('-') }}", "{% set a %}x{{ n }}y\n{% endset %}[{{ a }}]{{ a is string }}",
    "{% for x in l %}{{ x }},{% endfor %}", "{% for x in l -%} {{ x }} , {%- endfor %}",
    "{% for x in l %}\n  {{ loop.index }}/{{ loop.length }} {{ loop.index0 }} {{ loop.revindex }} {{ loop.revindex0 }} {{ loop.first }} {{ loop.last }}\n{% endfor %}",
    "{% for x in w %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}",
    "{% for x in w %}{% if loop.previtem is defined %}-{% endif %}{{ x }}{% endfor %}",
    "{% for x in [] %}{{ x }}{% else %}none{% endfor %}", "{% for x in missing %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in l if x > 1 %}{{ loop.index }}:{{ x }} {% endfor %}", "{% for x in l if x > 9 %}{{ x }}{% else %}none{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v|tojson }};{% endfor %}", "{% for k in d %}{{ k }}{% endfor %}", "{% for k, v in d|items %}{{ k }}{% endfor %}",
    "{% for c in u %}[{{ c }}]{% endfor %}", "{% for a, b in [(1, 2), [3, 4]] %}{{ a }}{{ b }} {% endfor %}",
    "{% for x in w %}{% for y in l %}{{ loop.index }}{{ x }}{{ y }} {% endfor %}{{ loop.index }}\n{% endfor %}",
    "{% set a = 1 %}{% for x in l %}{% set a = x %}{{ a }}{% endfor %}{{ a }}", "{% for x in l %}{{ q is defined }}{% set q = 1 %}{% endfor %}{{ q is defined }}",
    "{% if t %}{% set a = 5 %}{% endif %}{{ a }}", "{% set ns = namespace(a=1, b='x') %}{% for x in l %}{% set ns.a = ns.a + x %}{% endfor %}{{ ns.a }}{{ ns.b }}{{ ns.c is defined }}",
    "{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}", "{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% if n > 9 %}a{% elif n > 5 %}b{% else %}c{% endif %}", "{% if e %}a{% elif z %}b{% elif missing %}c{% else %}d{% endif %}", "{% if e %}a{% endif %}",
    "{% generation %}{% set a = 1 %}x{{ a }}{% endgeneration %}{{ a is defined }}", "{% set x %}{% set y = 1 %}{{ y }}{% endset %}{{ x }}{{ y is defined }}",
    "{{ '{{ n }}' }}{{ '{% if %}' }}{{ \"}}\" }}", "{{ {'a': {'b': 1}}['a']['b'] }}", "{{ {'a': {'b': 1}} ['a'] .b }}", "a}}b%}c#}d{e", "{{ n }}{{ m }}{{n}}",
    "{% for m in messages %}{{ m.role }}{% if not loop.last %}, {% endif %}{% endfor %}", "{{ messages|length }}{{ messages[0]['content'] }}",
    "{{ tools is none }}{{ documents is none }}{{ add_generation_prompt }}", "{{ bos_token is defined }}", "{% if tools is defined and tools %}x{% endif %}",
    "{%- for x in l %}\n    {{- x }}\n    {%- if not loop.last %}, {% endif %}\n{%- endfor %}\n", "  {% if t %}x{% endif %}  \n  {% if t %}\n  {% endif %}  y",
    "{{ n\n+\n1 }}", "{%\nif t\n%}\nx{%endif%}", "{{ s if s is string else s|join }}", "{% set x = n if t else m %}{{ x }}", "{% if 'a' in w and not ('q' in w) %}ok{% endif %}",
    "{% for x in (1, 2) %}{{ x }}{% endfor %}", "{% for x in 1, 2 %}{{ x }}{% endfor %}", "{{ (1, 2)|length }}",
    "{% set loop_messages = messages[1:] if messages[0].role == 'system' else messages %}{{ loop_messages|length }}",
    "{% for message in messages %}{% set content = message.content if message.content is string else message.content|selectattr('type', 'equalto', 'text')|map(attribute='text')|join('\\n') %}[{{ content }}]{% endfor %}",
    "{% macro f(a, b=2) %}[{{ a }}{{ b }}{{ n }}]{% endmacro %}{{ f(1) }}{{ f(1, 3) }}{{ f(b=4, a=5) }}{{ f() }}",
    "{% macro f(a, b=a) %}{{ b }}{% endmacro %}{{ f(7) }}", "{% macro f() %}x{% endmacro f %}{{ f() * 2 }}{{ f()|upper }}{{ f()|length }}",
    "{% set q = 1 %}{% macro f() %}{{ q }}{% set q = 3 %}{{ q }}{% endmacro %}{% set q = 2 %}{{ f() }}{{ q }}",
    "{% macro f() %}{{ later }}{% endmacro %}{% set later = 9 %}{{ f() }}", "{% for x in l %}{% macro f() %}{% endmacro %}{% endfor %}",
    "{% for x in l %}{{ f(x) }}{% endfor %}{% macro f(a) %}{% endmacro %}", "{% macro f(a) %}<{{ a }}>{% endmacro %}{% for x in l %}{{ f(x) }}{% endfor %}",
    "{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}",
    "{% macro f(a) %}{{ loop is defined }}{{ x is defined }}{% endmacro %}{% for x in l %}{{ f(x) }}{% endfor %}",
    "{% macro f(a) %}{% for i in a %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% endfor %}{% endmacro %}{{ f(l) }}",
    "{% macro f(a) %}{{ a is defined }}{% endmacro %}{{ f() }}{{ f(missing) }}{{ f is defined }}{{ f is callable }}{{ g is defined }}",
    "{% macro f(a='d') %}{{ a }}{% endmacro %}{{ f(missing) }}|{{ f(none) }}", "{% macro f(a) %}\n  {{ a }}\n{% endmacro %}\n[{{ f(1) }}]",
    "{% macro f(a) %}x{% endmacro %}{{ f(1, 2) }}", "{% macro f(a) %}x{% endmacro %}{{ f(b=1) }}", "{% if t %}{% macro f() %}in{% endmacro %}{% endif %}{{ f() }}",
    "{{ strftime_now('%d %b %Y') }}", "{{ strftime_now('%A, %B %e, %Y %j %H:%M:%S %p %I %y %m') }}", "{{ strftime_now is defined }}{{ range is defined }}{{ namespace is callable }}",
    "{% if strftime_now is defined %}{% set d2 = strftime_now('%Y-%m-%d') %}{% else %}{% set d2 = 'x' %}{% endif %}{{ d2 }}", "{{ strftime_now('') }}|{{ strftime_now('%%') }}",
    "{{ n is callable }}{{ n(1) }}", "{{ raise_exception('stop') }}", "{% if t %}{{ missing.x }}{% endif %}", "{% for x in n %}{% endfor %}", "{% set n.x = 1 %}", "{% set a, b = 1, 2, 3 %}",
]
