// Texts of variable files and what systemd makes of them: for our parser, and for a real systemd.

type Case = readonly [name: string, text: string, wanted: Readonly<Record<string, string>>]

export const environmentFileCases: readonly Case[] = [
  ['plain', 'A=1\nB=two words\n', { A: '1', B: 'two words' }],
  ['no newline at the end', 'A=1', { A: '1' }],
  ['comments and empty lines', '# A=1\n; B=2\n\n   # C=3\nD=4 # not one\n', { D: '4 # not one' }],
  ['blanks round name and value', '  A = 1  \n\tB\t=\t2\t\n', { A: '1', B: '2' }],
  ['an empty value', 'A=\nB=""\nC=\'\'\n', { A: '', B: '', C: '' }],
  ['a line without =', 'nothing\nA=1\n', { A: '1' }],
  ['further = signs', 'A=b=c==\n', { A: 'b=c==' }],
  ['double quotes', 'A="b c"\nB=" d "\n', { A: 'b c', B: ' d ' }],
  ['single quotes take nothing from a backslash', 'A=\'b\\c "d" $e\'\n', { A: 'b\\c "d" $e' }],
  ['escapes in double quotes', 'A="\\"\\\\\\`\\$ \\n"\n', { A: '"\\`$ \\n' }],
  ['escapes without quotes', 'A=b\\c\\\\d\\"\n', { A: 'bc\\d"' }],
  ['an escaped blank at the end stays', 'A=b\\ \n', { A: 'b ' }],
  ['a continued line', 'A=b\\\nc\nD=1\n', { A: 'bc', D: '1' }],
  ['a continued line in double quotes', 'A="b\\\nc"\n', { A: 'bc' }],
  ['lines in quotes', 'A=\'b\nc\'\nB="d\ne"\n', { A: 'b\nc', B: 'd\ne' }],
  ['quotes joined', 'A="b"\'c\'d\n', { A: 'bcd' }],
  ['quotes in the middle are plain', 'A=b"c"\n', { A: 'b"c"' }],
  ['the last one holds', 'A=1\nA=2\n', { A: '2' }],
  ['names that no environment has', '1A=1\nB-C=1\n=1\nD=1\n', { D: '1' }],
  ['lines that end as on Windows', 'A=1\r\nB="2"\r\n', { A: '1', B: '2' }],
  ['letters of all languages', 'A=grüße\n', { A: 'grüße' }],
]
