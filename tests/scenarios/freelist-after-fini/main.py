import journal
